package nodes

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// reservedName is a path of the API where a downloader's name could stand.
const reservedName = "test"

// wrongName says what is wrong with a name, if anything. A name must never be
// taken for an id, nor for another path.
func wrongName(name string) string {
	switch {
	case !namePattern.MatchString(name):
		return "must be 1 to 63 lower-case letters, digits, dots, dashes or underscores, and begin with a letter or digit"
	case uuid.Validate(name) == nil:
		return "must not look like an id"
	case name == reservedName:
		return "is reserved"
	}
	return ""
}

// apply changes d, or says which fields are wrong.
func (s *Service) apply(d *core.Downloader, c *core.DownloaderChange) error {
	wrong := errs.New(errs.InvalidRequest, "The downloader is not valid.")
	s.applyPlace(d, c, &wrong)
	if c.Name != nil {
		d.Name = *c.Name
	}
	if message := wrongName(d.Name); message != "" {
		wrong = wrong.WithField("name", message)
	}
	if c.Enabled != nil {
		d.Enabled = *c.Enabled
	}
	number(&d.MaxActive, c.MaxActive, maxActiveLimit, "max_active", &wrong)
	number(&d.Weight, c.Weight, maxWeight, "weight", &wrong)
	number(&d.PollInterval, c.PollInterval, maxPollInterval, "poll_interval", &wrong)
	if c.PathMap != nil {
		d.PathMap = slices.Clone(*c.PathMap)
		wrong.Fields = append(wrong.Fields, wrongPathMap(d.PathMap)...)
	}
	if c.Seed != nil {
		d.Seed = c.Seed.Policy
		wrong.Fields = append(wrong.Fields, d.Seed.Wrong()...)
	}
	if len(wrong.Fields) > 0 {
		return wrong
	}
	if c.Plugin == nil && c.Settings == nil && c.Options == nil {
		return nil // nothing that the plugin has a say in: it may be gone
	}
	return s.applyToPlugin(d, c)
}

func (s *Service) applyPlace(d *core.Downloader, c *core.DownloaderChange, wrong **errs.Error) {
	n, err := s.Node(cmp.Or(deref(c.Node), string(d.Node), core.LocalNodeName))
	if err != nil {
		*wrong = (*wrong).WithField("node", errs.MessageOf(err))
	} else {
		d.Node = n.ID
	}
	if c.Plugin != nil {
		d.Plugin = *c.Plugin
	}
	if d.Plugin == "" {
		*wrong = (*wrong).WithField("plugin", "is required")
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(to, from *int, limit int, field string, wrong **errs.Error) {
	if from == nil {
		return
	}
	if *from < 1 || *from > limit {
		*wrong = (*wrong).WithField(field, fmt.Sprintf("must be 1 to %d", limit))
		return
	}
	*to = *from
}
