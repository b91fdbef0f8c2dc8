package fakedaemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"syscall"
	"time"
)

// partSuffix marks a file that is not whole.
const partSuffix = ".part"

// fetch loads a download, and returns why it could not.
func (d *Daemon) fetch(ctx context.Context, id int) *Problem {
	dl, validator := d.snapshot(id)
	root, err := os.OpenRoot(dl.Dir)
	if err != nil {
		return problemOf(err)
	}
	defer root.Close()
	file, err := root.OpenFile(dl.Name+partSuffix, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return problemOf(err)
	}
	defer file.Close()
	resp, offset, err := request(ctx, dl, validator, file)
	if err != nil {
		return problemOf(err)
	}
	defer resp.Body.Close()
	d.begun(id, resp, offset)
	if err := d.receive(ctx, id, resp.Body, file, offset); err != nil {
		return problemOf(err)
	}
	if err := file.Close(); err != nil {
		return problemOf(err)
	}
	return problemOf(root.Rename(dl.Name+partSuffix, dl.Name))
}

// statusError is an answer that brings no file.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("the server answered %d", int(s)) }

// request asks for the file, or for what is still missing of it, and returns
// from which byte on the answer is.
func request(ctx context.Context, dl Download, validator string, file *os.File) (*http.Response, int64, error) {
	have, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, dl.URL, nil)
	if err != nil {
		return nil, 0, err
	}
	if dl.UserAgent != "" {
		req.Header.Set("User-Agent", dl.UserAgent)
	}
	if have > 0 && validator != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", validator)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		return resp, have, nil
	case http.StatusOK:
		_, err = file.Seek(0, io.SeekStart)
		return resp, 0, errors.Join(err, file.Truncate(0))
	}
	return nil, 0, errors.Join(statusError(resp.StatusCode), resp.Body.Close())
}

// receive writes what comes, not faster than the limit.
func (d *Daemon) receive(ctx context.Context, id int, from io.Reader, to io.Writer, loaded int64) error {
	buf := make([]byte, 16<<10)
	began, first := time.Now(), loaded
	for {
		n, err := from.Read(buf)
		if _, writeErr := to.Write(buf[:n]); writeErr != nil {
			return writeErr
		}
		loaded += int64(n)
		limit := d.progress(id, loaded, int64(float64(loaded-first)/max(time.Since(began).Seconds(), 0.001)))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := pace(ctx, n, limit); err != nil {
			return err
		}
	}
}

// pace waits as long as n bytes may take.
func pace(ctx context.Context, n int, limit int64) error {
	if limit <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Duration(float64(n) / float64(limit) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Daemon) snapshot(id int) (Download, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dl := d.saved.Downloads[id]; dl != nil {
		return *dl, d.saved.Validators[id]
	}
	return Download{}, "" // removed before it began
}

// begun notes down what the server said of the file.
func (d *Daemon) begun(id int, resp *http.Response, offset int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl := d.saved.Downloads[id]
	if dl == nil {
		return
	}
	dl.Loaded = offset
	if resp.ContentLength >= 0 {
		dl.Size = offset + resp.ContentLength
	}
	d.saved.Validators[id] = resp.Header.Get("ETag")
	if d.saved.Validators[id] == "" {
		d.saved.Validators[id] = resp.Header.Get("Last-Modified")
	}
	_ = d.save() // what is not saved is loaded again
}

// progress notes down how far it is, and returns the limit of now.
func (d *Daemon) progress(id int, loaded, rate int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl := d.saved.Downloads[id]
	if dl == nil {
		return 0
	}
	dl.Loaded, dl.Rate, dl.Size = loaded, rate, max(dl.Size, loaded)
	return dl.Limit
}

// problemOf sorts an error; nil has none.
func problemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	p := &Problem{Kind: "network", Text: err.Error()}
	if s, ok := errors.AsType[statusError](err); ok {
		p.Kind, p.Status = "status", int(s)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		p.Kind = "tls"
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		p.Kind = "other"
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		p.Kind = "disk_full"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		p.Kind = "permission"
	}
	return p
}
