package report

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orch/report/collect"
)

// Whatever runs are called and say: the page has the tags and attributes that
// orch wrote and no other, asks for nothing, and runs only its two scripts.
func TestHTMLIsInert(t *testing.T) {
	ours := []string{"!doctype", "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "nav", "ul", "li", "a", "main", "p", "strong", "code", "i", "sup", "sub",
		"div", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "path", "text", "script"}
	tag := regexp.MustCompile(`<([a-zA-Z!][a-zA-Z0-9]*)((?:[^>"]|"[^"]*")*)>`)
	attribute := regexp.MustCompile(`([a-zA-Z:-]+)="`)
	for name, tables := range allTables() {
		if name == "hostile" { // also where a chart takes its labels from
			for _, r := range tables.Runs {
				for s := range 3 {
					tables.Series = append(tables.Series, point(r.ID, s, "</script><script>alert(1)</script>"))
				}
			}
		}
		files, err := HTML.Render(Build(tables))
		if err != nil {
			t.Fatal(err)
		}
		page := string(files[0].Data)
		if n := strings.Count(page, "<script"); n != 3 {
			t.Errorf("%s: %d scripts, want 3", name, n)
		}
		if !strings.Contains(page, hashSource(reportJS)) {
			t.Errorf("%s: no content security policy", name)
		}
		for _, code := range []string{uplotJS, reportJS, uplotCSS, uplotLicense} {
			page = strings.ReplaceAll(page, code, "")
		}
		for _, m := range tag.FindAllStringSubmatch(page, -1) {
			if !slices.Contains(ours, strings.ToLower(m[1])) {
				t.Errorf("%s: the page has a tag <%s>", name, m[1])
			}
			for _, a := range attribute.FindAllStringSubmatch(m[2], -1) {
				if k := strings.ToLower(a[1]); strings.HasPrefix(k, "on") || k == "src" || k == "style" || k == "href" && !strings.Contains(m[2], `href="#s`) {
					t.Errorf("%s: <%s> has the attribute %s", name, m[1], k)
				}
			}
		}
		for _, bad := range []string{"http://", "https://", "\x1b", "\u202e"} {
			if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), bad) {
				t.Errorf("%s: the page contains %q", name, bad)
			}
		}
	}
}

func point(run string, step int, name string) collect.Point {
	return collect.Point{Run: run, Step: int64(step), Name: name, Value: float64(step)}
}

// luminance is WCAG's relative luminance.
func luminance(hex string) float64 {
	l := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		c := float64(n) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}

// Every text colour of the page has a contrast of at least 4.5 to white and to
// the darkest background (WCAG 2.1, 1.4.3).
func TestContrast(t *testing.T) {
	for _, c := range regexp.MustCompile(`[{ ;]color: (#[0-9a-f]{6})`).FindAllStringSubmatch(reportCSS, -1) {
		if got := (luminance("#f2f2f2") + 0.05) / (luminance(c[1]) + 0.05); got < 4.5 {
			t.Errorf("%s on #f2f2f2 has a contrast of %.1f, want 4.5", c[1], got)
		}
	}
}

func TestNotebookShape(t *testing.T) {
	for name, tables := range allTables() {
		files, err := Notebook.Render(Build(tables))
		if err != nil {
			t.Fatal(err)
		}
		var nb struct {
			Cells []struct {
				Type    string `json:"cell_type"`
				ID      string
				Outputs *[]any
				Source  []string
			}
			Format int `json:"nbformat"`
			Minor  int `json:"nbformat_minor"`
		}
		if err := json.Unmarshal(files[0].Data, &nb); err != nil || nb.Format != 4 || nb.Minor != 5 || len(nb.Cells) < 5 {
			t.Fatalf("%s: nbformat %d.%d with %d cells, %v", name, nb.Format, nb.Minor, len(nb.Cells), err)
		}
		for _, c := range nb.Cells {
			if c.ID == "" || (c.Type == "code") != (c.Outputs != nil) {
				t.Errorf("%s: a %s cell with id %q and outputs %v", name, c.Type, c.ID, c.Outputs)
			}
		}
	}
}
