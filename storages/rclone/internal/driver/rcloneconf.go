package driver

import (
	"bytes"
	"strings"
	"sync"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config"
	"github.com/unknwon/goconfig" //nolint:misspell // its author is called so

	"github.com/haul-dl/haul/sdk/errs"
)

// sections are those of an rclone.conf: the options of each remote by its name.
type sections map[string]map[string]string

// decrypting guards rclone's one password.
var decrypting sync.Mutex

// parseConfig reads the text of an rclone.conf.
func parseConfig(text []byte, password, field string) (sections, error) {
	plain, err := decryptConfig(text, password)
	if err != nil {
		if password == "" {
			return nil, invalid("The configuration of rclone is encrypted.").WithField("config_password", "is required for an encrypted configuration")
		}
		return nil, invalid("The configuration of rclone cannot be decrypted.").WithField("config_password", "does not fit the configuration")
	}
	file, err := goconfig.LoadFromReader(bytes.NewReader(plain))
	if err != nil {
		return nil, invalid("The configuration of rclone is not valid.").WithField(field, "is no configuration of rclone")
	}
	all := sections{}
	for _, name := range file.GetSectionList() {
		values, err := file.GetSection(name)
		if err != nil || name == goconfig.DEFAULT_SECTION {
			continue
		}
		all[name] = ownOptions(values)
	}
	if len(all) == 0 {
		return nil, errs.New(errs.InvalidSettings, "The configuration of rclone has no remote.").WithField(field, "has no remote")
	}
	return all, nil
}

// ownOptions leaves out what would change rclone as a whole.
func ownOptions(values map[string]string) map[string]string {
	out := make(map[string]string, len(values))
	for key, value := range values {
		if !strings.HasPrefix(key, "global.") && !strings.HasPrefix(key, "override.") {
			out[key] = value
		}
	}
	return out
}

// decryptConfig returns the text as it is where it is not encrypted.
func decryptConfig(text []byte, password string) ([]byte, error) {
	decrypting.Lock()
	defer decrypting.Unlock()
	ignoreEnvironment()
	fs.GetConfig(nil).AskPassword = false //nolint:staticcheck // a nil context is rclone's word for the configuration of the process
	defer config.ClearConfigPassword()
	if password != "" {
		if err := config.SetConfigPassword(password); err != nil {
			return nil, err
		}
	}
	r, err := config.Decrypt(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	_, err = plain.ReadFrom(r)
	return plain.Bytes(), err
}
