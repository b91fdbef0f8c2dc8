//go:build unix && !linux

package delivery

import (
	"errors"
	"os"
)

func (systemNames) renameNew(*os.File, string, *os.File, string) error { return errors.ErrUnsupported }
