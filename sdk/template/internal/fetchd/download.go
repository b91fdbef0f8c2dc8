package fetchd

import "github.com/haul-dl/haul/sdk/errs"

// The states of a download that are known. A newer fetchd may have others.
const (
	Queued   = "queued"
	Running  = "running"
	Stopped  = "stopped"
	Finished = "finished"
	Failed   = "failed"
)

// NewDownload is what Add takes.
type NewDownload struct {
	Tag       string `json:"tag"`
	URL       string `json:"url"`
	Dir       string `json:"dir"`
	Name      string `json:"name,omitempty"`
	State     string `json:"state,omitempty"` // Stopped does not start it
	Limit     int64  `json:"limit,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// Download is a download as the daemon shows it.
type Download struct {
	ID      int
	Tag     string
	Dir     string
	Name    string
	State   string
	Size    int64
	Loaded  int64
	Rate    int64
	Problem *Problem
}

// Problem is why a download failed.
type Problem struct {
	Kind   string
	Status int
	Text   string
}

// Err returns the problem as an error with haul's code: what the code's kind
// and hint say is what the user reads.
func (p *Problem) Err() error {
	if p == nil {
		return errs.New(errs.DownloaderError, "fetchd gave up without a reason.")
	}
	switch p.Kind {
	case "status":
		return statusErr(p.Status)
	case "network":
		return errs.New(errs.SourceUnreachable, "The server cannot be reached: %s.", p.Text)
	case "tls":
		return errs.New(errs.SourceTLS, "The server's certificate is not valid.")
	case "disk_full":
		return errs.New(errs.OutOfSpace, "The disk that fetchd writes to is full.")
	case "permission":
		return errs.New(errs.PathNotWritable, "fetchd cannot write into the download folder.")
	}
	return errs.New(errs.DownloaderError, "fetchd says: %s.", p.Text)
}

func statusErr(status int) error {
	switch {
	case status == 404 || status == 410:
		return errs.New(errs.SourceNotFound, "The server says that there is no such file (%d).", status)
	case status >= 500:
		return errs.New(errs.SourceServerError, "The server has trouble of its own (%d).", status)
	case status == 401 || status == 403:
		return errs.New(errs.SourceForbidden, "The server does not hand out the file (%d).", status)
	}
	return errs.New(errs.SourceServerError, "The server answers with status %d.", status)
}
