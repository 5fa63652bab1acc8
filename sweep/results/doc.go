// Package results is the shared contract: the format of the results tree and its
// write protocol.
package results
