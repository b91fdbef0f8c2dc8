package source

import (
	"encoding/base32"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	maxMagnet = 64 << 10
	maxLinks  = 200 // trackers, or web seeds, of one torrent
	maxLink   = 2 << 10
)

// Magnet is what a magnet link says.
type Magnet struct {
	// InfoHash is the v1 info hash in 40 lower-case hex digits; empty for v2 alone.
	InfoHash string
	// InfoHashV2 is the v2 info hash in 64 lower-case hex digits; empty for v1 alone.
	InfoHashV2 string
	// Name is a safe file name, empty where the link tells none.
	Name string
	// Trackers and WebSeeds are well-formed URLs, each once.
	Trackers []string
	WebSeeds []string
	// Size is in bytes, 0 where the link does not tell.
	Size int64
}

// ParseMagnet reads a magnet link. Of trackers and web seeds it leaves out those
// that are not URLs of a usual scheme; of everything else that it does not know
// it takes no notice.
//
// Errors: errs.InvalidMagnet.
func ParseMagnet(uri string) (*Magnet, error) {
	if len(uri) > maxMagnet {
		return nil, errs.New(errs.InvalidMagnet, "The magnet link is longer than %d bytes.", maxMagnet)
	}
	if !printable(uri) {
		return nil, errs.New(errs.InvalidMagnet, "The magnet link has control characters or is not UTF-8.")
	}
	const prefix = "magnet:?"
	if len(uri) < len(prefix) || !strings.EqualFold(uri[:len(prefix)], prefix) {
		return nil, errs.New(errs.InvalidMagnet, "A magnet link begins with magnet:?")
	}
	m := &Magnet{}
	for pair := range strings.SplitSeq(uri[len(prefix):], "&") {
		// "amp;" is left where somebody copied the link out of a page's source.
		key, value, _ := strings.Cut(strings.TrimPrefix(pair, "amp;"), "=")
		if err := m.set(strings.ToLower(key), unescape(value)); err != nil {
			return nil, err
		}
	}
	if m.InfoHash == "" && m.InfoHashV2 == "" {
		return nil, errs.New(errs.InvalidMagnet, "The magnet link has no info hash.")
	}
	return m, nil
}

func (m *Magnet) set(key, value string) error {
	// Several values of one key may be numbered: xt.1, xt.2.
	key, _, _ = strings.Cut(key, ".")
	switch key {
	case "xt":
		return m.setTopic(value)
	case "dn":
		m.Name = FileName(value)
	case "tr":
		m.Trackers = addLink(m.Trackers, value, trackerSchemes)
	case "ws":
		m.WebSeeds = addLink(m.WebSeeds, value, webSeedSchemes)
	case "xl":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			m.Size = n
		}
	}
	return nil
}

func (m *Magnet) setTopic(topic string) error {
	urn := strings.ToLower(topic)
	switch {
	case strings.HasPrefix(urn, "urn:btih:"):
		return setHash(&m.InfoHash, parseV1(topic[len("urn:btih:"):]))
	case strings.HasPrefix(urn, "urn:btmh:"):
		return setHash(&m.InfoHashV2, parseV2(urn[len("urn:btmh:"):]))
	}
	return nil
}

func setHash(to *string, hash string) error {
	if hash == "" {
		return errs.New(errs.InvalidMagnet, "The magnet link's info hash is not valid.")
	}
	if *to != "" && *to != hash {
		return errs.New(errs.InvalidMagnet, "The magnet link has two different info hashes.")
	}
	*to = hash
	return nil
}

// parseV1 returns the hash in lower-case hex, "" for what is none.
func parseV1(s string) string {
	switch len(s) {
	case 40:
		if b, err := hex.DecodeString(s); err == nil {
			return hex.EncodeToString(b)
		}
	case 32:
		if b, err := base32.StdEncoding.DecodeString(strings.ToUpper(s)); err == nil {
			return hex.EncodeToString(b)
		}
	}
	return ""
}

// parseV2 reads a multihash: 0x12 for SHA-256, 0x20 for 32 bytes.
func parseV2(s string) string {
	hash, ok := strings.CutPrefix(s, "1220")
	if !ok || len(hash) != 64 {
		return ""
	}
	if _, err := hex.DecodeString(hash); err != nil {
		return ""
	}
	return hash
}

// unescape decodes percent signs and plus signs; text with stray ones is kept.
func unescape(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return out
	}
	return s
}

var (
	trackerSchemes = []string{"udp", "http", "https", "ws", "wss"}
	webSeedSchemes = []string{"http", "https", "ftp"}
)

// addLink appends s where it is a new and well-formed URL of one of the schemes.
func addLink(links []string, s string, schemes []string) []string {
	if len(links) >= maxLinks || len(s) > maxLink || !printable(s) {
		return links
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) || slices.Contains(links, s) {
		return links
	}
	return append(links, s)
}
