// Package override reads the key=value grammar of the command line and of
// sweep axes into typed values.
package override
