package tasks

import (
	"cmp"
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// inspectTimeout is how long somebody waits for an answer about a source.
const inspectTimeout = 45 * time.Second

// Inspect tells what a source is. What has to be fetched for that is fetched by
// a node, under its rules for addresses.
func (s *Service) Inspect(ctx context.Context, src *core.NewSource) (*core.SourceInfo, error) {
	if _, err := core.Require(ctx, core.PermissionDownload); err != nil {
		return nil, err
	}
	var t core.Task
	known, err := s.readSource(&t, src)
	if err != nil {
		return nil, inField(err, src.Field)
	}
	info := &core.SourceInfo{Size: -1}
	switch {
	case known != nil:
	case t.Source.Kind == downloader.SourceMagnet:
		if m, err := source.ParseMagnet(t.Source.URI); err == nil && m.Size > 0 {
			info.Size = m.Size
		}
	default:
		if known, err = s.look(ctx, &t, info); err != nil {
			return nil, inField(err, src.Field)
		}
	}
	if known != nil {
		info.Files, info.Size = known.files, known.size
	}
	info.Kind, info.Name, info.Private = t.Source.Kind, t.Name, t.Private
	info.InfoHash, info.InfoHashV2 = t.InfoHash, t.InfoHashV2
	info.Downloaders = s.takers(&t)
	return info, nil
}

// look has a node look at a URL.
func (s *Service) look(ctx context.Context, t *core.Task, info *core.SourceInfo) (*content, error) {
	online := s.registry.OnlineNodes()
	if len(online) == 0 {
		return nil, errs.New(errs.NodeOffline, "No node is online that could look at the source.")
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	fetched, err := s.registry.FetchSource(ctx, online[0], t.Source)
	if err != nil {
		return nil, err
	}
	info.Size, info.Resumable = fetched.Size, fetched.Resumable
	if fetched.Name != "" {
		t.Name = fetched.Name
	}
	if !t.Source.MustFetch() {
		return nil, nil
	}
	c, err := s.readContent(cmp.Or(fetched.Kind, t.Source.Kind), fetched.Content)
	if err != nil {
		return nil, err
	}
	c.fill(t)
	t.Name = cmp.Or(c.name, t.Name)
	return c, nil
}

// takers returns the names of the downloaders that would take a task now.
func (s *Service) takers(t *core.Task) []string {
	out := []string{}
	want := schedule.WantOf(t)
	candidates := s.registry.Candidates()
	for i := range candidates {
		if c := &candidates[i]; c.Takes(want) && c.Ready() {
			out = append(out, c.Name)
		}
	}
	return out
}
