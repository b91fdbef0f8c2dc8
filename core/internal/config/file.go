package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// readFile reads the YAML file that the flag or the environment names.
func (l *loader) readFile() {
	path, _ := l.LookupEnv(envConfig)
	if f := l.Flags.Lookup(flagConfig); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path == "" {
		return
	}
	l.config.file = path
	raw, err := l.ReadFile(path)
	if err != nil {
		l.mistakes = append(l.mistakes, mistake{message: fmt.Sprintf("the configuration file cannot be read: %v", err)})
		return
	}
	l.parseFile(path, raw)
}

// parseFile walks over the nodes rather than decoding into a struct, so that
// every mistake can be told with its line, all of them at once.
func (l *loader) parseFile(path string, raw []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		l.mistakes = append(l.mistakes, mistake{where: path, message: err.Error()})
		return
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		l.mistakes = append(l.mistakes, mistake{where: path, message: "the file must hold one document"})
		return
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return
	}
	if root.Kind != yaml.MappingNode {
		l.mistakes = append(l.mistakes, mistake{where: at(path, root), message: "the file must hold keys and values, such as \"listen: " + DefaultListen + "\""})
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		l.readKey(path, root.Content[i], root.Content[i+1], seen)
	}
}

func (l *loader) readKey(path string, key, value *yaml.Node, seen map[string]bool) {
	all := settings()
	i := slices.IndexFunc(all, func(s setting) bool { return s.key == key.Value })
	wrong := func(name, message string) {
		l.mistakes = append(l.mistakes, mistake{at(path, key), name, message})
	}
	switch {
	case i < 0:
		wrong(key.Value, "is not a key of the configuration")
		return
	case seen[key.Value]:
		wrong(key.Value, "is there twice")
		return
	}
	seen[key.Value] = true
	values, why := valuesOf(&all[i], value)
	if why != "" {
		l.mistakes = append(l.mistakes, mistake{at(path, value), key.Value, why})
		return
	}
	l.put(&all[i], at(path, value), values...)
}

// valuesOf returns a node's values if they are of the setting's type.
func valuesOf(s *setting, n *yaml.Node) (values []string, why string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch s.kind {
	case kindList:
		return listOf(n)
	case kindPins:
		return pinsOf(n)
	}
	if isText(n) || n.Kind == yaml.ScalarNode && n.Tag != "" && n.Tag == s.kind.plainTag() {
		return []string{n.Value}, ""
	}
	switch s.kind {
	case kindSize:
		return nil, "must be a size such as 10MiB, not " + typeOf(n)
	case kindDuration:
		return nil, "must be a length of time such as 30m, 12h or 7d, not " + typeOf(n)
	case kindNumber:
		return nil, "must be a number, not " + typeOf(n)
	case kindSwitch:
		return nil, "must be true or false, not " + typeOf(n)
	}
	return nil, "must be text, not " + typeOf(n) + quoteHint(n)
}

// plainTag is the type that a value of the kind has in YAML without quotes,
// beside text.
func (k kind) plainTag() string {
	switch k {
	case kindSize, kindDuration, kindNumber: // 0 has no unit
		return "!!int"
	case kindSwitch:
		return "!!bool"
	}
	return "!!str"
}

func listOf(n *yaml.Node) (values []string, why string) {
	if n.Kind != yaml.SequenceNode {
		return nil, "must be a list, not " + typeOf(n)
	}
	for _, item := range n.Content {
		if !isText(item) {
			return nil, fmt.Sprintf("must be a list of text; line %d has %s", item.Line, typeOf(item))
		}
		values = append(values, item.Value)
	}
	return values, ""
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!str" }

// typeOf names what somebody wrote, in the words of people.
func typeOf(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "a group of keys"
	}
	if n.Kind == yaml.SequenceNode {
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "yes or no"
	case "!!timestamp":
		return "a time"
	}
	return "text"
}

func quoteHint(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return "; put it in quotes"
	}
	return ""
}

func at(path string, n *yaml.Node) string { return fmt.Sprintf("%s:%d", path, n.Line) }
