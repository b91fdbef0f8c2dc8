package driver

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
	"github.com/haul-dl/haul/sdk/errs"
)

// fewTorrents is up to how many are asked for by their hashes. Beyond, asking
// for all that the daemon has costs it less.
const fewTorrents = 50

// looker makes one request for all who want to know at the same time: while it
// is under way the next one gathers whatever else is asked for.
type looker struct {
	client *transmissionrpc.Client
	ctx    context.Context // ends with the driver
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex // guards what follows
	next *look      // nil where nobody waits for one
	busy bool
}

type look struct {
	hashes map[string]struct{}
	done   chan struct{}
	found  map[string]*torrent
	err    error
}

func newLooker(client *transmissionrpc.Client) *looker {
	l := &looker{client: client}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func (l *looker) close() {
	l.cancel()
	l.wg.Wait()
}

// look returns what the daemon says of torrents now, and not before; those that
// it does not have are left out. The result is shared, and not to be changed.
func (l *looker) look(ctx context.Context, hashes []string) (map[string]*torrent, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	one := l.join(hashes)
	select {
	case <-one.done:
		return one.found, one.err
	case <-ctx.Done():
		return nil, l.client.Explain(ctx, ctx.Err())
	}
}

func (l *looker) join(hashes []string) *look {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &look{hashes: map[string]struct{}{}, done: make(chan struct{})}
	}
	one := l.next
	for _, h := range hashes {
		one.hashes[h] = struct{}{}
	}
	if !l.busy {
		l.busy = true
		l.wg.Go(l.run)
	}
	return one
}

func (l *looker) run() {
	for {
		l.mu.Lock()
		one := l.next
		l.next, l.busy = nil, one != nil
		l.mu.Unlock()
		if one == nil {
			return
		}
		one.found, one.err = l.ask(one.hashes)
		close(one.done)
	}
}

func (l *looker) ask(hashes map[string]struct{}) (map[string]*torrent, error) {
	var ids []string
	if len(hashes) <= fewTorrents {
		ids = slices.Collect(maps.Keys(hashes))
	}
	table, err := l.client.Table(l.ctx, ids, lookFields)
	if err != nil {
		return nil, downloaderError(err)
	}
	found := make(map[string]*torrent, len(hashes))
	for row := range table.Rows {
		if _, ok := hashes[row.Text("hashString")]; ok {
			t := readTorrent(row)
			found[t.hash] = t
		}
	}
	return found, nil
}

// downloaderError is for calls that a daemon has no reason to refuse.
func downloaderError(err error) error {
	if refused, ok := asRefusal(err); ok {
		return errs.Wrap(refused, errs.DownloaderError, "Transmission refuses a call: %s.", refused.Result)
	}
	return err
}
