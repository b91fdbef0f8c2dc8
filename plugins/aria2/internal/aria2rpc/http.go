package aria2rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/haul-dl/haul/sdk/errs"
)

// poster makes calls by HTTP POST.
type poster struct{ endpoint Endpoint }

func (p *poster) roundTrip(ctx context.Context, req request) (json.RawMessage, error) {
	req.ID = "1"
	data, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", req.Method, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.endpoint.HTTP.URL("").String(), bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := p.endpoint.HTTP.Do(ctx, r)
	if err != nil {
		if ctx.Err() == nil && errs.Is(err, errs.DownloaderUnreachable) {
			return nil, fmt.Errorf("%w: %w", errLost, err)
		}
		return nil, err
	}
	var m message
	if err := json.Unmarshal(resp.Body, &m); err != nil || m.Version == "" {
		return nil, p.endpoint.HTTP.Foreign(ctx, resp)
	}
	if m.Error != nil {
		return nil, m.Error
	}
	return m.Result, nil
}
