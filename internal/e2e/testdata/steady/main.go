// Command steady is a plugin whose downloads go on and on: each look at one finds
// it a little further. What a look costs is then what haul makes of it.
package main

import (
	"context"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/pluginmain"
)

const (
	size = 16 << 20
	rate = 1 << 10 // bytes per second
)

func main() { pluginmain.Serve(&steady{began: map[string]time.Time{}}) }

type steady struct {
	mu    sync.Mutex // guards began
	began map[string]time.Time
}

func (s *steady) Describe(context.Context) (downloader.Description, error) {
	return downloader.Description{
		Name: "steady", Version: "1.0.0", DisplayName: "Steady",
		Sources:        []downloader.SourceKind{downloader.SourceHTTP},
		SettingsSchema: []byte(`{"type": "object"}`),
	}, nil
}

func (s *steady) Configure(context.Context, downloader.Config) (downloader.Driver, error) {
	return s, nil
}

func (s *steady) Add(_ context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.began[req.JobID]; !there {
		s.began[req.JobID] = time.Now()
	}
	return downloader.Ref{JobID: req.JobID}, nil
}

func (s *steady) Check(_ context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	statuses := make([]downloader.Status, len(refs))
	for i, ref := range refs {
		st := downloader.Status{JobID: ref.JobID, Phase: downloader.PhaseGone}
		if began, there := s.began[ref.JobID]; there {
			done := min(size-1, int64(time.Since(began).Seconds()*rate))
			st = downloader.Status{JobID: ref.JobID, Phase: downloader.PhaseDownloading, Name: ref.JobID, TotalBytes: size, DoneBytes: done, DownloadRate: rate}
		}
		statuses[i] = st
	}
	return statuses, nil
}

func (s *steady) Remove(_ context.Context, ref downloader.Ref, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.began, ref.JobID)
	return nil
}
