package worker

import (
	"testing"

	"github.com/haul-dl/haul/core"
)

func TestFoldersAreMappedByTheLongestPath(t *testing.T) {
	m := []core.PathMapping{
		{Daemon: "/downloads", Node: "/srv/haul"},
		{Daemon: "/jobs", Node: "/srv/haul/node/jobs"},
		{Daemon: "/", Node: "/mnt/all"},
	}
	tests := []struct {
		name string
		m    []core.PathMapping
		path string
		want string
		ok   bool
	}{
		{"without a map both call it the same", nil, "/srv/haul/x", "/srv/haul/x", true},
		{"the folder itself", m, "/srv/haul", "/downloads", true},
		{"a folder below", m, "/srv/haul/a/b", "/downloads/a/b", true},
		{"the longest path wins", m, "/srv/haul/node/jobs/1/data", "/jobs/1/data", true},
		{"names that only begin alike are others", m, "/srv/haul-2/x", "", false},
		{"the daemon's root", m, "/mnt/all/x", "/x", true},
		{"a folder that no entry covers", m, "/home/x", "", false},
		{"this node's root", []core.PathMapping{{Daemon: "/host", Node: "/"}}, "/a/b", "/host/a/b", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := daemonPath(tt.m, tt.path)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %q, %v, want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
