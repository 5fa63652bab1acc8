//go:build !amd64

package nn

// assembly returns no kernels: there are none for this architecture.
func assembly() []kernel { return nil }
