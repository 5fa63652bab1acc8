package dispatch

import (
	"io"
	"os"
	"strings"
)

// logEnd returns the last line of a worker's log that is not empty and not
// orch's own, shortened; "" if there is none.
func logEnd(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const tail = 4 << 10
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	} else if info.Size() > tail {
		if _, err := f.Seek(-tail, io.SeekEnd); err != nil {
			return ""
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return ""
	}
	own := ""
	lines := strings.Split(strings.ToValidUTF8(string(b), "?"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if r := []rune(line); len(r) > 200 {
			line = string(r[:200])
		}
		switch {
		case line == "":
		case strings.HasPrefix(line, "orch: "):
			if own == "" {
				own = line
			}
		default:
			return line
		}
	}
	return own
}
