package config

import (
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Print writes the effective configuration as YAML, with the place that each
// value comes from behind it. Secrets are redacted.
func (c *Config) Print(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range settings() {
		values := s.get(c)
		switch {
		case s.secret && values[0] == "", s.isList() && len(values) == 0:
		case s.kind == kindPins:
			key := scalar(s.key)
			key.LineComment = c.origins[s.key]
			root.Content = append(root.Content, key, c.PluginPins.node())
		case s.kind == kindList:
			key, seq := scalar(s.key), &yaml.Node{Kind: yaml.SequenceNode}
			key.LineComment = c.origins[s.key]
			for _, v := range values {
				seq.Content = append(seq.Content, scalar(v))
			}
			root.Content = append(root.Content, key, seq)
		default:
			value := scalar(values[0])
			if s.kind == kindNumber || s.kind == kindSwitch {
				value.Tag, value.Style = s.kind.plainTag(), 0
			}
			value.LineComment = c.origins[s.key]
			root.Content = append(root.Content, scalar(s.key), value)
		}
	}
	root.FootComment = "Plugins are looked for in:"
	for _, dir := range c.PluginDirs() {
		root.FootComment += "\n  " + dir
	}
	if c.file != "" {
		root.HeadComment = "The file " + c.file + " was read."
	}
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}})
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	_, err = w.Write(out)
	return err
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}
