package logging

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core/internal/config"
)

func TestALevelHidesWhatIsBelow(t *testing.T) {
	var out bytes.Buffer
	log := New(Options{Level: "warn", Output: &out}).Named("node")
	log.Info("quiet")
	log.Warn("loud", "task", "t1")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "haul.node: loud: task=t1") {
		t.Errorf("logged %q", got)
	}
}

func TestAJSONLogIsOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	New(Options{Level: "info", Format: JSON, Output: &out}).Info("two\nlines", "task", "t1")
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["task"] != "t1" || line["@message"] != "two\nlines" {
		t.Errorf("logged %q, %v", &out, err)
	}
}

func TestTheLoggerKnowsEveryLevelAndFormatOfTheConfiguration(t *testing.T) {
	for _, level := range config.LogLevels {
		if hclog.LevelFromString(level) == hclog.NoLevel {
			t.Errorf("%s is no level", level)
		}
	}
	for _, format := range config.LogFormats {
		if format != "text" && format != JSON {
			t.Errorf("%s is no format", format)
		}
	}
}
