package driver

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// failure puts aria2's error code into haul's terms. Most of its messages are
// empty or say "Download aborted.", so ours are made from the code.
func (t *task) failure() error {
	e := failureOf(t.ErrorCode, t.ErrorMessage)
	if t.ErrorCode == "16" && t.hasLongName() {
		e = errs.New(errs.NameNotPossible, "The name of the file is too long for the disk that aria2 writes to.").
			WithHint("Use a URL with a shorter name.")
	}
	if t.ErrorMessage != "" {
		e.Err = &aria2Error{t.ErrorCode, t.ErrorMessage}
	}
	return e
}

// hasLongName reports whether a detailed task's file has a name that hardly any
// file system takes; aria2 does not tell why it could not make a file.
func (t *task) hasLongName() bool {
	const longest = 255
	return slices.ContainsFunc(t.Files, func(f file) bool { return len(path.Base(f.Path)) > longest })
}

// aria2Error is for logs: it may hold a path or a host.
type aria2Error struct{ code, message string }

// Error returns aria2's words.
func (m *aria2Error) Error() string { return "aria2 error " + m.code + ": " + m.message }

var failures = map[string]struct {
	code      errs.Code
	msg, hint string
}{
	"2":  {errs.SourceTimeout, "The server did not answer in time.", ""},
	"3":  {errs.SourceNotFound, "The server says that the file does not exist.", ""},
	"4":  {errs.SourceNotFound, "The server says too often that the file does not exist.", ""},
	"5":  {errs.SourceTimeout, "The download was slower than aria2's lowest-speed-limit.", "Try again later, or lower that limit in aria2's configuration."},
	"6":  {errs.SourceUnreachable, "The network failed.", ""},
	"7":  {errs.Stalled, "The download stopped before it was complete.", ""},
	"8":  {errs.SourceServerError, "The server cannot go on where the download stopped.", "Retry the task: it then begins anew."},
	"9":  {errs.OutOfSpace, "The disk that aria2 writes to is full.", ""},
	"10": {errs.ChecksumMismatch, "The file at the server has changed since the download began.", "Remove the task and add it again."},
	"11": {errs.InUse, "aria2 loads the same file for another download already.", "Wait until that one ends, then retry."},
	"12": {errs.InUse, "aria2 has this torrent for another download already.", "Wait until that one ends, then retry; if it is not haul's, remove it at aria2."},
	"13": {errs.DestinationExists, "A file of that name is in the download folder already.", "Remove the task and add it again."},
	"14": {errs.PathNotWritable, "aria2 cannot rename a file in the download folder.", ""},
	"15": {errs.PathNotWritable, "aria2 cannot open a file in the download folder.", ""},
	"16": {errs.PathNotWritable, "aria2 cannot make the file in the download folder: it may not write there.", ""},
	"17": {errs.PathNotWritable, "aria2 cannot read or write in the download folder.", ""},
	"18": {errs.PathNotWritable, "aria2 cannot make the download folder.", ""},
	"19": {errs.SourceUnreachable, "The name of the server's host is not known.", "Check the URL's host."},
	"20": {errs.InvalidMetalink, "aria2 cannot read the metalink.", ""},
	"21": {errs.SourceServerError, "The FTP server refused a command.", ""},
	"22": {errs.SourceServerError, "The server gave an answer that aria2 cannot use.", ""},
	"23": {errs.SourceServerError, "The server redirects without end.", "Check the URL in a browser."},
	"24": {errs.SourceForbidden, "The server wants a login.", ""},
	"25": {errs.InvalidTorrent, "aria2 cannot read the torrent.", ""},
	"26": {errs.InvalidTorrent, "The torrent is damaged or lacks something.", ""},
	"27": {errs.InvalidMagnet, "aria2 does not take this magnet link.", ""},
	"29": {errs.SourceServerError, "The server is overloaded or in maintenance.", ""},
	"32": {errs.ChecksumMismatch, "The file does not have the promised checksum.", ""},
}

var statusPattern = regexp.MustCompile(`status=(\d{3})`)

func failureOf(code, message string) *errs.Error {
	if code == "1" || code == "" {
		return networkFailure(message)
	}
	if m := statusPattern.FindStringSubmatch(message); m != nil {
		return httpFailure(m[1])
	}
	f, ok := failures[code]
	if !ok {
		return errs.New(errs.DownloaderError, "aria2 gave up with error %s.", code)
	}
	e := errs.New(f.code, "%s", f.msg)
	if f.hint != "" {
		e = e.WithHint("%s", f.hint)
	}
	return e
}

// networkFailure is for code 1, which aria2 uses for whatever has no code.
func networkFailure(message string) *errs.Error {
	has := func(s string) bool { return strings.Contains(message, s) }
	switch {
	case has("SSL/TLS handshake failure"):
		return tlsFailure(message)
	case has("Connection refused"):
		return errs.New(errs.SourceUnreachable, "The server refuses the connection.").
			WithHint("Check the URL's host and port.")
	case has("Failed to establish connection"), has("Failed to connect to the host"):
		return errs.New(errs.SourceUnreachable, "The server cannot be reached.")
	case has("Failed to receive data"), has("Failed to send data"), has("Got EOF"), has("No URI available"):
		return errs.New(errs.SourceUnreachable, "The server ended the connection, again and again.").
			WithHint("Retry the task: the download goes on where it stopped.")
	}
	return errs.New(errs.DownloaderError, "aria2 gave up without saying why.")
}

func tlsFailure(message string) *errs.Error {
	if strings.Contains(message, "unexpected TLS packet") || strings.Contains(message, "wrong version number") {
		return errs.New(errs.SourceTLS, "The server does not speak TLS at that port.").
			WithHint("Use http:// in place of https://, or correct the port.")
	}
	return errs.New(errs.SourceTLS, "The server's TLS certificate is not trusted, or TLS failed otherwise.")
}

// httpFailure is for an HTTP status that is no success.
func httpFailure(status string) *errs.Error {
	switch {
	case status == "404" || status == "410":
		return errs.New(errs.SourceNotFound, "The server says that the file does not exist (status %s).", status)
	case status == "401" || status == "407":
		return errs.New(errs.SourceForbidden, "The server wants a login (status %s).", status)
	case status == "408":
		return errs.New(errs.SourceTimeout, "The server gave up waiting (status 408).")
	case status == "429":
		return errs.New(errs.SourceServerError, "The server limits how often files are asked for (status 429).").
			WithHint("Wait a while, then retry the task.")
	case status[0] == '4':
		return errs.New(errs.SourceForbidden, "The server refuses to hand out the file (status %s).", status)
	}
	return errs.New(errs.SourceServerError, "The server answered with status %s.", status)
}
