package source

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

const maxMetalinkFiles = 10_000

// Metalink is what a metalink file says.
type Metalink struct {
	// Files are in the order of the file.
	Files []MetalinkFile
}

// MetalinkFile is one file of a metalink.
type MetalinkFile struct {
	// Name is a safe relative path with slashes.
	Name string
	// Size is in bytes, 0 where the metalink does not tell.
	Size int64
	// Hashes are in lower-case hex, by the name of their algorithm, such as "sha-256".
	Hashes map[string]string
	// URLs are http, https, ftp or ftps, the preferred first.
	URLs []string
}

type xmlURL struct {
	Priority   string `xml:"priority,attr"`   // version 4: small is better
	Preference string `xml:"preference,attr"` // version 3: large is better
	Text       string `xml:",chardata"`
}

type xmlHash struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type xmlFile struct {
	Name     string    `xml:"name,attr"`
	Size     string    `xml:"size"`
	HashesV4 []xmlHash `xml:"hash"`
	HashesV3 []xmlHash `xml:"verification>hash"`
	URLsV4   []xmlURL  `xml:"url"`
	URLsV3   []xmlURL  `xml:"resources>url"`
}

type xmlMetalink struct {
	XMLName xml.Name
	FilesV4 []xmlFile `xml:"file"`
	FilesV3 []xmlFile `xml:"files>file"`
}

// ParseMetalink reads a metalink of version 3 or 4 (RFC 5854). Addresses of
// other schemes, such as torrents, are left out. The caller bounds its size.
//
// Errors: errs.InvalidMetalink.
func ParseMetalink(b []byte) (*Metalink, error) {
	if isWebPage(b) {
		return nil, errs.New(errs.InvalidMetalink, "This is a web page, not a metalink.")
	}
	var doc xmlMetalink
	if err := decodeXML(b, &doc); err != nil {
		return nil, errs.Wrap(err, errs.InvalidMetalink, "The file is not a valid metalink: %v.", err)
	}
	if doc.XMLName.Local != "metalink" {
		return nil, errs.New(errs.InvalidMetalink, "The file is XML, but not a metalink.")
	}
	files := slices.Concat(doc.FilesV4, doc.FilesV3)
	if len(files) == 0 || len(files) > maxMetalinkFiles {
		return nil, errs.New(errs.InvalidMetalink, "A metalink has between 1 and %d files.", maxMetalinkFiles)
	}
	m := &Metalink{Files: make([]MetalinkFile, 0, len(files))}
	seen := make(map[string]bool, len(files))
	for _, f := range files {
		file, err := readMetalinkFile(f)
		if err != nil {
			return nil, err
		}
		if seen[file.Name] {
			return nil, errs.New(errs.InvalidMetalink, "The metalink has two files of the same name.")
		}
		seen[file.Name] = true
		m.Files = append(m.Files, file)
	}
	return m, nil
}

// decodeXML decodes one element, with nothing but space and comments after it.
func decodeXML(b []byte, to any) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(to); err != nil {
		return err
	}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); ok {
			return errors.New("more than one element")
		}
	}
}

func readMetalinkFile(f xmlFile) (MetalinkFile, error) {
	name := strings.TrimSpace(f.Name)
	if !safePath(name) {
		return MetalinkFile{}, errs.New(errs.InvalidMetalink, "The metalink has a file name that is empty or leads out of its folder.")
	}
	out := MetalinkFile{Name: name, Hashes: map[string]string{}, URLs: readURLs(append(f.URLsV4, f.URLsV3...))}
	if len(out.URLs) == 0 {
		return MetalinkFile{}, errs.New(errs.InvalidMetalink, "The metalink has a file without an http, https or ftp address.")
	}
	if f.Size != "" {
		size, err := strconv.ParseInt(strings.TrimSpace(f.Size), 10, 64)
		if err != nil || size < 0 {
			return MetalinkFile{}, errs.New(errs.InvalidMetalink, "The metalink has a file without a valid size.")
		}
		out.Size = size
	}
	for _, h := range append(f.HashesV4, f.HashesV3...) {
		if algorithm, digest := strings.ToLower(h.Type), strings.ToLower(strings.TrimSpace(h.Text)); isHex(digest) {
			out.Hashes[algorithm] = digest
		}
	}
	return out, nil
}

func isHex(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, "0123456789abcdef") == ""
}

// safePath reports whether each part of a path with slashes is a safe name.
func safePath(p string) bool {
	if p == "" || len(p) > 4096 || !printable(p) || !filepath.IsLocal(filepath.FromSlash(p)) {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if _, err := safePart([]byte(part)); err != nil {
			return false
		}
	}
	return true
}

// readURLs returns the usable addresses, the preferred first.
func readURLs(in []xmlURL) []string {
	slices.SortStableFunc(in, func(a, b xmlURL) int { return cmp.Compare(a.rank(), b.rank()) })
	var out []string
	for _, u := range in {
		parsed, _, err := ParseURL(strings.TrimSpace(u.Text))
		if err != nil || len(out) >= maxLinks || slices.Contains(out, parsed.String()) {
			continue
		}
		out = append(out, parsed.String())
	}
	return out
}

// rank is smaller for better addresses.
func (u xmlURL) rank() int {
	if n, err := strconv.Atoi(u.Priority); err == nil && n > 0 {
		return n
	}
	if n, err := strconv.Atoi(u.Preference); err == nil {
		return 1_000_000 - n
	}
	return 1_000_000
}
