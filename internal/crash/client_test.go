package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"
)

// client is a user of a server that may be dead. A request that got no answer
// is an error; what it has done is not known.
type client struct {
	base, token string
	http        *http.Client
}

func newClient(base string) *client {
	return &client{base: base + "/api/v1", http: &http.Client{Timeout: 10 * time.Second}}
}

// answer is what the server said.
type answer struct {
	status int
	body   []byte
}

func (a *answer) ok() bool { return a.status/100 == 2 }

func (a *answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// send makes a request whose body is JSON, unless it is a form.
func (c *client) send(method, path string, body any, key string) (*answer, error) {
	reader, contentType, err := encode(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(method, c.base+path, reader)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, raw}, nil
}

// form is an uploaded torrent with the request that goes with it.
type form struct {
	name    string
	torrent []byte
	request map[string]any
}

func encode(body any) (io.Reader, string, error) {
	switch b := body.(type) {
	case nil:
		return http.NoBody, "", nil
	case form:
		return b.encode()
	}
	raw, err := json.Marshal(body)
	return bytes.NewReader(raw), "application/json", err
}

// encode makes the same bytes each time.
func (f form) encode() (io.Reader, string, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("haul-crash-boundary"); err != nil {
		return nil, "", err
	}
	raw, err := json.Marshal(f.request)
	if err != nil {
		return nil, "", err
	}
	if err := w.WriteField("request", string(raw)); err != nil {
		return nil, "", err
	}
	part, err := w.CreateFormFile("torrent", f.name)
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(f.torrent); err != nil {
		return nil, "", err
	}
	return &b, w.FormDataContentType(), w.Close()
}

// place is a folder of a user.
type place struct {
	Storage string `json:"storage"`
	Path    string `json:"path"`
}

// task is a task as the server shows it.
type task struct {
	ID, Name, State, Wish string
	Attempt               int
	Waiting               *struct{ Code, Message string }
	Error                 *struct{ Code, Message string }
	Destination           place
}

func (t *task) ended() bool {
	return t.State == "completed" || t.State == "failed" || t.State == "canceled"
}

func (t *task) String() string {
	s := fmt.Sprintf("task %s is %s (wish %s)", t.ID, t.State, t.Wish)
	if t.Waiting != nil {
		s += fmt.Sprintf(", waits: %s %s", t.Waiting.Code, t.Waiting.Message)
	}
	if t.Error != nil {
		s += fmt.Sprintf(", error: %s %s", t.Error.Code, t.Error.Message)
	}
	return s
}

// tasks returns all tasks that the user may see.
func (c *client) tasks() (map[string]task, error) {
	all := map[string]task{}
	for cursor := ""; ; {
		a, err := c.send("GET", "/tasks?limit=1000&cursor="+cursor, nil, "")
		if err != nil {
			return nil, err
		}
		var page struct {
			Items      []task
			NextCursor string `json:"next_cursor"`
		}
		if !a.ok() {
			return nil, fmt.Errorf("list tasks: %v", a)
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			all[t.ID] = t
		}
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

// login keeps a token.
func (c *client) login(name string) error {
	a, err := c.send("POST", "/auth/login", map[string]string{"username": name, "password": password}, "")
	if err != nil {
		return err
	}
	var out struct{ Token string }
	if !a.ok() {
		return fmt.Errorf("log in: %v", a)
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return err
	}
	c.token = out.Token
	return nil
}

// pluginPID returns the process that serves a downloader or a storage; 0 for none.
func (c *client) pluginPID(plugin, name string) int {
	a, err := c.send("GET", "/plugins", nil, "")
	if err != nil || !a.ok() {
		return 0
	}
	var files struct {
		Items []struct {
			Name      string
			Instances []struct {
				Name string
				PID  int
			}
		}
	}
	if json.Unmarshal(a.body, &files) != nil {
		return 0
	}
	for _, f := range files.Items {
		for _, i := range f.Instances {
			if f.Name == plugin && i.Name == name {
				return i.PID
			}
		}
	}
	return 0
}
