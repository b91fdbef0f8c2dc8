package rest

import (
	"context"
	"net/http"

	"github.com/haul-dl/haul/api"
	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// GetHealth tells that the server is alive.
func (s *server) GetHealth(context.Context, apigen.GetHealthRequestObject) (apigen.GetHealthResponseObject, error) {
	return apigen.GetHealth200JSONResponse{Status: "ok", Version: s.Version}, nil
}

// GetReadiness tells whether the server can take tasks.
func (s *server) GetReadiness(ctx context.Context, _ apigen.GetReadinessRequestObject) (apigen.GetReadinessResponseObject, error) {
	waiting := s.Ready.Ready(ctx)
	if len(waiting) == 0 {
		return apigen.GetReadiness200JSONResponse{Ready: true, Reasons: []apigen.Reason{}}, nil
	}
	return apigen.GetReadiness503ApplicationProblemPlusJSONResponse{
		Status: http.StatusServiceUnavailable, Code: string(errs.Unavailable), Title: errs.Unavailable.Title(),
		Detail: "The server cannot take tasks yet.", Hint: "The reasons say what is missing.", Reasons: reasons(waiting),
	}, nil
}

func reasons(waiting []core.Waiting) []apigen.Reason {
	out := make([]apigen.Reason, len(waiting))
	for i, w := range waiting {
		out[i] = apigen.Reason{Code: string(w.Code), Message: w.Message}
	}
	return out
}

func getOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(api.Spec) // the caller is gone when this fails
}
