//go:build !unix

package results

import "os"

// syncDir does nothing: folders cannot be synced here, so a power cut may
// forget a name that was published in the last seconds.
func syncDir(*os.Root, string) error { return nil }

const (
	nonblock    = 0
	modesMatter = false
)
