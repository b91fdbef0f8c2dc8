package upload

import (
	"crypto/md5"  //nolint:gosec // what storages tell of a file's bytes; it guards against accidents
	"crypto/sha1" //nolint:gosec // see above
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/haul-dl/haul/sdk/storage"
)

// algorithms are those that storages know, strongest first.
var algorithms = [...]struct {
	name string
	make func() hash.Hash
	of   func(*storage.Object) string
}{
	{"sha256", sha256.New, func(o *storage.Object) string { return o.SHA256 }},
	{"sha1", sha1.New, func(o *storage.Object) string { return o.SHA1 }},
	{"md5", md5.New, func(o *storage.Object) string { return o.MD5 }},
}

// algorithm is a place in algorithms. anyAlgorithm computes all, where it is
// not known yet what the storage tells; noAlgorithm is for one that tells none.
type algorithm int

const (
	anyAlgorithm algorithm = -1
	noAlgorithm  algorithm = algorithm(len(algorithms))
)

// strongest returns the best algorithm that a storage told the hash by.
func strongest(o *storage.Object) algorithm {
	for i := range algorithms {
		if algorithms[i].of(o) != "" {
			return algorithm(i)
		}
	}
	return noAlgorithm
}

// sums computes hashes of what is written to it.
type sums [len(algorithms)]hash.Hash

func newSums(want algorithm) *sums {
	s := &sums{}
	for i := range algorithms {
		if want == anyAlgorithm || want == algorithm(i) {
			s[i] = algorithms[i].make()
		}
	}
	return s
}

func (s *sums) write(b []byte) {
	for _, h := range s {
		if h != nil {
			h.Write(b)
		}
	}
}

// compare returns the object's hash in the form of delivery.Upload.Hash, "" where
// none is known by both, and whether none differs.
func (s *sums) compare(o *storage.Object) (known string, same bool) {
	for i, h := range s {
		told := algorithms[i].of(o)
		if h == nil || told == "" {
			continue
		}
		if !strings.EqualFold(told, hex.EncodeToString(h.Sum(nil))) {
			return "", false
		}
		if known == "" {
			known = algorithms[i].name + ":" + strings.ToLower(told)
		}
	}
	return known, true
}

// contradicts reports whether an object has another hash than was stored.
func contradicts(o *storage.Object, stored string) bool {
	name, sum, _ := strings.Cut(stored, ":")
	for i := range algorithms {
		if told := algorithms[i].of(o); algorithms[i].name == name && told != "" {
			return !strings.EqualFold(told, sum)
		}
	}
	return false
}
