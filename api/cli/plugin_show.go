package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

// showPlugin shows all that was found under a name: several versions, or the
// same on several nodes.
func (s *shell) showPlugin(ctx context.Context, name string) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	list, err := api.Plugins(ctx)
	if err != nil {
		return err
	}
	found := slices.DeleteFunc(list.Items, func(p client.Plugin) bool { return p.Name != name })
	if len(found) == 0 {
		return errs.New(errs.NotFound, "There is no plugin %q.", name).WithHint("See haul plugin ls.")
	}
	if s.format == formatJSON {
		return s.json(listed[client.Plugin]{found})
	}
	for i := range found {
		if i > 0 {
			if _, err := fmt.Fprintln(s.Out); err != nil {
				return writeError(err)
			}
		}
		if err := s.pluginDetails(&found[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) pluginDetails(p *client.Plugin) error {
	row := pluginRow(p)
	details := [][2]string{
		{"name", p.Name},
		{"kind", string(p.Kind)},
		{"display name", p.DisplayName},
		{"version", text(p.Version)},
		{"active", fmt.Sprint(p.Active)},
		{"node", p.Node},
		{"path", p.Path},
		{"sha256", p.Sha256},
		{"sources", row[3]},
		{"capabilities", strings.Join(p.Capabilities, ",")},
		{"used by", row[4]},
		{"note", row[5]},
		{"reserved", strings.Join(p.ReservedOptions, ", ")},
	}
	var rows [][]string
	for _, d := range details {
		if d[1] != "" {
			rows = append(rows, []string{d[0] + ":", d[1]})
		}
	}
	if err := s.table(nil, rows); err != nil {
		return err
	}
	if err := s.properties("SETTING", p.SettingsSchema); err != nil {
		return err
	}
	return s.properties("OPTION", p.OptionsSchema)
}

// property is what a table shows of a JSON Schema's property.
type property struct {
	Title, Description string
	Type, Default      any
	Enum               []any
	Minimum, Maximum   *json.Number
	WriteOnly          bool `json:"writeOnly"`
}

// properties shows what a schema lets one set.
func (s *shell) properties(head string, schema *json.RawMessage) error {
	var object struct {
		Properties map[string]property
		Required   []string
	}
	if schema == nil {
		return nil
	}
	if err := json.Unmarshal(*schema, &object); err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin's schema cannot be shown.").WithHint("-o json shows it as it is.")
	}
	if len(object.Properties) == 0 {
		return nil
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(object.Properties)) {
		p := object.Properties[name]
		rows = append(rows, []string{name, p.kind(slices.Contains(object.Required, name)), cmp.Or(p.Description, p.Title)})
	}
	if _, err := fmt.Fprintln(s.Out); err != nil {
		return writeError(err)
	}
	return s.table([]string{head, "TYPE", "MEANING"}, rows)
}

// kind tells in a few words what values a property takes.
func (p *property) kind(required bool) string {
	var words []string
	switch {
	case len(p.Enum) > 0:
		choices := make([]string, len(p.Enum))
		for i, c := range p.Enum {
			choices[i] = fmt.Sprint(c)
		}
		words = append(words, strings.Join(choices, "|"))
	case p.Type != nil:
		words = append(words, strings.Trim(fmt.Sprint(p.Type), "[]"))
	}
	if p.Minimum != nil {
		words = append(words, "from "+p.Minimum.String())
	}
	if p.Maximum != nil {
		words = append(words, "to "+p.Maximum.String())
	}
	if p.WriteOnly {
		words = append(words, "secret")
	}
	if required {
		words = append(words, "required")
	}
	return strings.Join(words, ", ")
}
