package plugintest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// narrow is a driver that cannot pause.
type narrow struct {
	downloader.Driver
	downloader.Tester
	downloader.Watcher
	downloader.Lister
	downloader.FileSelector
	downloader.Limiter
	downloader.Closer
}

var errPlain = errors.New("dial tcp: connection refused")

// faults are what the suite has to find, and the cases that find it.
func faults(p *scripted.Plugin) map[string]struct {
	plugin broken
	found  []string
} {
	type fault = struct {
		plugin broken
		found  []string
	}
	return map[string]fault{
		"a version with a v": {broken{describe: func(d *downloader.Description) { d.Version = "v1.0" }}, []string{"describe/identity"}},
		"an unknown kind of source": {broken{describe: func(d *downloader.Description) {
			d.Sources = append(slices.Clone(d.Sources), "carrier-pigeon")
		}}, []string{"describe/sources"}},
		"settings without titles": {broken{describe: func(d *downloader.Description) {
			d.SettingsSchema = []byte(strings.ReplaceAll(string(d.SettingsSchema), `"title"`, `"x-title"`))
		}}, []string{"describe/settings-schema"}},
		"a secret that is not marked": {broken{describe: func(d *downloader.Description) {
			d.SettingsSchema = []byte(strings.ReplaceAll(string(d.SettingsSchema), `"writeOnly": true`, `"writeOnly": false`))
		}}, []string{"describe/settings-schema"}},
		"a reserved option on offer": {broken{describe: func(d *downloader.Description) {
			d.ReservedOptions = append(d.ReservedOptions, "User-Agent")
		}}, []string{"describe/options-schema"}},
		"options that admit anything": {broken{describe: func(d *downloader.Description) {
			d.OptionsSchema = []byte(strings.ReplaceAll(string(d.OptionsSchema), `"additionalProperties": false,`, ``))
		}}, []string{"describe/options-schema"}},
		"an undeclared capability": {broken{describe: func(d *downloader.Description) {
			d.Capabilities = slices.DeleteFunc(slices.Clone(d.Capabilities), func(c downloader.Capability) bool { return c == downloader.CapabilityList })
		}}, []string{"describe/capabilities"}},
		"a pause that is declared and not there": {broken{wrap: func(d whole, _ downloader.Config) downloader.Driver {
			return narrow{d, d, d, d, d, d, d}
		}}, []string{"describe/capabilities", "pause", "files/while-paused"}},
		"settings that are not read strictly": {broken{configure: func(cfg *downloader.Config) {
			var o map[string]json.RawMessage
			if json.Unmarshal(cfg.Settings, &o) == nil {
				delete(o, "x_no_such_setting")
				cfg.Settings, _ = json.Marshal(o)
			}
		}}, []string{"configure/unknown-setting"}},
		"a job for each Add":          {duplicates(), []string{"add/twice", "add/twice-at-once", "restart/adds-again"}},
		"jobs forgotten at a restart": {forgets(), []string{"restart/finds-jobs"}},
		"a torrent taken that another job has": {drives(func(f *faulty, _ downloader.Config) {
			f.add = func(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
				ref, err := f.whole.Add(ctx, req)
				if errs.Is(err, errs.InUse) {
					return downloader.Ref{JobID: req.JobID}, nil
				}
				return ref, err
			}
		}), []string{"add/same-torrent-elsewhere"}},
		"absolute paths": {changesStatus(func(st *downloader.Status) {
			for i := range st.Files {
				st.Files[i].Path = "/downloads/" + st.Files[i].Path
			}
		}), []string{"check/files", "hostile"}},
		"skipped files left out": {changesStatus(func(st *downloader.Status) {
			st.Files = slices.DeleteFunc(st.Files, func(f downloader.File) bool { return f.Skipped })
		}), []string{"files/at-add", "files/later", "files/while-paused"}},
		"negative rates": {changesStatus(func(st *downloader.Status) { st.UploadRate = -1 }), []string{"check/numbers"}},
		"seeding that nobody wants": {changesStatus(func(st *downloader.Status) {
			if st.Phase == downloader.PhaseComplete {
				st.Phase = downloader.PhaseSeeding
			}
		}), []string{"limits/no-seeding", "limits/seeding"}},
		"a look at each job": {drives(func(f *faulty, _ downloader.Config) {
			f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
				time.Sleep(time.Duration(len(refs)) * 6 * time.Millisecond)
				return f.whole.Check(ctx, refs)
			}
		}), []string{"check/thousand"}},
		"a Check that a foreign reference fails": {drives(func(f *faulty, _ downloader.Config) {
			f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
				for _, ref := range refs {
					if ref.Version > 1000 {
						return nil, errs.New(errs.Internal, "Unknown version.")
					}
				}
				return f.whole.Check(ctx, refs)
			}
		}), []string{"check/foreign-refs"}},
		"a panic at a foreign reference": {drives(func(f *faulty, _ downloader.Config) {
			f.remove = func(ctx context.Context, ref downloader.Ref, deleteData bool) error {
				_ = ref.Opaque[len("scripted:")]
				return f.whole.Remove(ctx, ref, deleteData)
			}
		}), []string{"remove/foreign-refs"}},
		"a Remove that works once": {drives(func(f *faulty, _ downloader.Config) {
			f.remove = func(ctx context.Context, ref downloader.Ref, deleteData bool) error {
				if st, err := f.whole.Check(ctx, []downloader.Ref{ref}); err == nil && st[0].Phase == downloader.PhaseGone {
					return errs.New(errs.JobNotFound, "There is no such job.")
				}
				return f.whole.Remove(ctx, ref, deleteData)
			}
		}), []string{"remove/twice", "remove/foreign-refs"}},
		"a Remove that always deletes": {drives(func(f *faulty, _ downloader.Config) {
			f.remove = func(ctx context.Context, ref downloader.Ref, _ bool) error { return f.whole.Remove(ctx, ref, true) }
		}), []string{"remove/keeps-data", "add/verifies"}},
		"a Remove that deletes by prefix": {deletesByPrefix(p), []string{"remove/inside-only"}},
		"a Pause at Add ignored":          {changesAdd(func(req *downloader.AddRequest) { req.Paused = false }), []string{"pause/at-add", "files/while-paused"}},
		"a Pause ignored": {drives(func(f *faulty, _ downloader.Config) {
			f.pause = func(context.Context, downloader.Ref) error { return nil }
		}), []string{"pause/stops", "pause/no-such-job"}},
		"a selection at Add ignored": {changesAdd(func(req *downloader.AddRequest) { req.Files = nil }), []string{"files/at-add", "files/no-such-file"}},
		"a wrong selection accepted": {drives(func(f *faulty, _ downloader.Config) {
			f.choose = func(ctx context.Context, ref downloader.Ref, files []int) error {
				return f.whole.SelectFiles(ctx, ref, slices.DeleteFunc(slices.Clone(files), func(i int) bool { return i > 2 }))
			}
		}), []string{"files/no-such-file"}},
		"a limit at Add ignored": {changesAdd(func(req *downloader.AddRequest) { req.Limits.DownloadRate = 0 }), []string{"limits/at-add"}},
		"limits ignored": {drives(func(f *faulty, _ downloader.Config) {
			f.setLimits = func(context.Context, downloader.Ref, downloader.Limits) error { return nil }
		}), []string{"limits"}},
		"a List of all downloaders": {drives(func(f *faulty, _ downloader.Config) {
			f.list = func(context.Context) ([]downloader.Listed, error) {
				var out []downloader.Listed
				for _, id := range p.Jobs() {
					out = append(out, downloader.Listed{Ref: downloader.Ref{JobID: id}})
				}
				return out, nil
			}
		}), []string{"list/own-only"}},
		"a Watch that says nothing": {drives(func(f *faulty, _ downloader.Config) {
			f.watch = func(ctx context.Context, _ func([]downloader.Status)) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}), []string{"watch/completion"}},
		"options ignored": {changesAdd(func(req *downloader.AddRequest) { req.Options = nil }), []string{"options"}},
		"an error without a code": {drives(func(f *faulty, _ downloader.Config) {
			f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
				statuses, err := f.whole.Check(ctx, refs)
				if errs.Is(err, errs.DownloaderUnreachable) {
					err = errPlain
				}
				return statuses, err
			}
		}), []string{"errors/unreachable"}},
		"any server taken for the daemon": {drives(func(f *faulty, _ downloader.Config) {
			f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
				statuses, err := f.whole.Check(ctx, refs)
				if errs.Is(err, errs.NotADownloader) {
					err = errs.New(errs.DownloaderError, "The daemon says something odd.")
				}
				return statuses, err
			}
		}), []string{"errors/not-a-downloader"}},
		"a failure without a reason": {changesStatus(func(st *downloader.Status) { st.Err = nil }), []string{"errors/not-found"}},
		"a deadline ignored": {drives(func(f *faulty, _ downloader.Config) {
			f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
				if ctx.Err() != nil {
					time.Sleep(3 * time.Second)
				}
				return f.whole.Check(ctx, refs)
			}
		}), []string{"context/canceled"}},
		"a torrent that gets out": {drives(func(f *faulty, _ downloader.Config) {
			f.add = func(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
				ref, err := f.whole.Add(ctx, req)
				if errs.Is(err, errs.UnsafeTorrent) {
					_ = os.WriteFile(filepath.Join(req.Dir, "..", "escaped.bin"), nil, 0o600)
				}
				return ref, err
			}
		}), []string{"hostile"}},
		"a secret in the log": {broken{configure: func(cfg *downloader.Config) {
			cfg.Logger.Debug("configured", "settings", string(cfg.Settings))
		}}, []string{"secrets/never-told"}},
		"a secret in an error": {drives(func(f *faulty, cfg downloader.Config) {
			f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
				statuses, err := f.whole.Check(ctx, refs)
				if errs.Is(err, errs.DownloaderUnreachable) {
					err = errs.New(errs.DownloaderUnreachable, "No answer with %s.", cfg.Settings)
				}
				return statuses, err
			}
		}), []string{"secrets/never-told"}},
		"jobs that stay in the list": {drives(func(f *faulty, _ downloader.Config) {
			var first []downloader.Listed
			f.list = func(ctx context.Context) ([]downloader.Listed, error) {
				jobs, err := f.whole.List(ctx)
				if first == nil && len(jobs) > 0 {
					first = jobs[:1]
				}
				return append(slices.Clone(jobs), first...), err
			}
		}), []string{"leaks/jobs", "restart/adds-again"}},
	}
}

// duplicates makes another job of each further Add.
func duplicates() broken {
	return drives(func(f *faulty, _ downloader.Config) {
		const again = "-again"
		var mu sync.Mutex // lets no two adds see that the job is not there
		f.add = func(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
			mu.Lock()
			defer mu.Unlock()
			id := req.JobID
			st, err := f.whole.Check(ctx, []downloader.Ref{{JobID: id}})
			if err == nil && !st[0].Phase.HasData() && st[0].Phase != downloader.PhaseGone {
				req.JobID += again
				req.Source.Kind = downloader.SourceHTTP
				if req.Source.URI == "" {
					req.Source.URI = "http://127.0.0.1:1/"
				}
			}
			ref, err := f.whole.Add(ctx, req)
			ref.JobID = id
			return ref, err
		}
		inner := func(ref downloader.Ref) downloader.Ref {
			if strings.HasSuffix(string(ref.Opaque), again) {
				ref.JobID += again
			}
			return ref
		}
		f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
			var asked []downloader.Ref
			for _, ref := range refs {
				asked = append(asked, inner(ref))
			}
			statuses, err := f.whole.Check(ctx, asked)
			for i := range statuses {
				statuses[i].JobID = strings.TrimSuffix(statuses[i].JobID, again)
			}
			return statuses, err
		}
		f.remove = func(ctx context.Context, ref downloader.Ref, deleteData bool) error {
			return f.whole.Remove(ctx, inner(ref), deleteData)
		}
	})
}

// forgets knows only the jobs that this very driver has added.
func forgets() broken {
	return drives(func(f *faulty, _ downloader.Config) {
		known := make(chan map[string]bool, 1)
		known <- map[string]bool{}
		f.add = func(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
			ids := <-known
			ids[req.JobID] = true
			known <- ids
			return f.whole.Add(ctx, req)
		}
		f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
			statuses, err := f.whole.Check(ctx, refs)
			ids := <-known
			defer func() { known <- ids }()
			for i, st := range statuses {
				if !ids[st.JobID] {
					statuses[i] = downloader.Status{JobID: st.JobID, Phase: downloader.PhaseGone}
				}
			}
			return statuses, err
		}
	})
}

// deletesByPrefix takes "job-1-more" for a part of "job-1".
func deletesByPrefix(p *scripted.Plugin) broken {
	return drives(func(f *faulty, _ downloader.Config) {
		f.remove = func(ctx context.Context, ref downloader.Ref, deleteData bool) error {
			if j, ok := p.Job(ref.JobID); ok && deleteData && !j.Removed {
				siblings, _ := filepath.Glob(j.Request.Dir + "-*")
				for _, path := range siblings {
					_ = os.RemoveAll(path)
				}
			}
			return f.whole.Remove(ctx, ref, deleteData)
		}
	})
}
