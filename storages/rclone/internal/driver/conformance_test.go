package driver

import (
	"fmt"
	"testing"

	"github.com/haul-dl/haul/sdk/plugintest/storageconformance"
	"github.com/haul-dl/haul/sdk/storage"
)

func TestConformance(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		home, cases := s.settings["path"], 0
		storageconformance.Run(t, func(t *testing.T) storage.Driver {
			cases++
			s.settings["path"] = fmt.Sprintf("%s/%d", home, cases)
			return configure(t, s.settings)
		})
	})
}
