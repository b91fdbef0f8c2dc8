package store

import (
	"bytes"
	"encoding/json"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
)

// sealedDownloader is a downloader as it is stored.
type sealedDownloader struct {
	core.Downloader
	// Settings are sealed; the record's key is what they are bound to.
	Settings []byte `json:"settings,omitempty"`
}

func downloaderKind(box *secret.Box) kind[core.Downloader] {
	return kind[core.Downloader]{
		name: "downloader", id: func(d *core.Downloader) string { return string(d.ID) },
		unique: func(d *core.Downloader) []string { return []string{downloaderNames + d.Name} },
		marshal: func(key string, d *core.Downloader) ([]byte, error) {
			return json.Marshal(sealedDownloader{*d, sealSettings(box, key, d.Settings)})
		},
		unmarshal: func(key string, b []byte, d *core.Downloader) (err error) {
			var sealed sealedDownloader
			if err := json.Unmarshal(b, &sealed); err != nil {
				return err
			}
			*d = sealed.Downloader
			d.Settings, err = openSettings(box, key, sealed.Settings)
			return err
		},
		// The JSON of a downloader leaves its settings out.
		same: func(a, b *core.Downloader) bool { return samePlain(a, b) && bytes.Equal(a.Settings, b.Settings) },
	}
}

// sealedStorage is a storage as it is stored.
type sealedStorage struct {
	core.Storage
	// Settings are sealed as those of a downloader.
	Settings []byte `json:"settings,omitempty"`
}

func storageKind(box *secret.Box) kind[core.Storage] {
	return kind[core.Storage]{
		name: "storage", id: func(s *core.Storage) string { return string(s.ID) },
		unique: func(s *core.Storage) []string { return []string{storageNames + s.Name} },
		marshal: func(key string, s *core.Storage) ([]byte, error) {
			return json.Marshal(sealedStorage{*s, sealSettings(box, key, s.Settings)})
		},
		unmarshal: func(key string, b []byte, s *core.Storage) (err error) {
			var sealed sealedStorage
			if err := json.Unmarshal(b, &sealed); err != nil {
				return err
			}
			*s = sealed.Storage
			s.Settings, err = openSettings(box, key, sealed.Settings)
			return err
		},
		same: func(a, b *core.Storage) bool { return samePlain(a, b) && bytes.Equal(a.Settings, b.Settings) },
	}
}

func sealSettings(box *secret.Box, key string, settings []byte) []byte {
	if len(settings) == 0 {
		return nil
	}
	return box.Seal(settings, []byte(key))
}

func openSettings(box *secret.Box, key string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	return box.Open(sealed, []byte(key))
}
