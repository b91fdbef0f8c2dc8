package worker

import (
	"path"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// daemonPath returns how a daemon calls a folder of this node: the mapping with
// the longest path counts. Without any mapping both call it the same; ok is
// false where there are some, but none for it.
func daemonPath(m []core.PathMapping, nodePath string) (mapped string, ok bool) {
	if len(m) == 0 {
		return nodePath, true
	}
	longest := -1
	for _, entry := range m {
		node := path.Clean(entry.Node)
		rest, below := strings.CutPrefix(nodePath, strings.TrimSuffix(node, "/"))
		if below && (rest == "" || rest[0] == '/') && len(node) > longest {
			longest, mapped = len(node), path.Join(entry.Daemon, rest)
		}
	}
	return mapped, longest >= 0
}

// mappedPath returns how the daemon calls a path of this node.
func mappedPath(m []core.PathMapping, path string) (string, error) {
	mapped, ok := daemonPath(m, path)
	if !ok {
		return "", errs.New(errs.PathNotShared, "The downloader's path map does not say how its daemon calls haul's download folder.").
			WithHint("Add an entry for the folder of the node's jobs to path_map.")
	}
	return mapped, nil
}
