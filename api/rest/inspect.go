package rest

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// InspectSource tells what a source is, without a task.
func (s *server) InspectSource(ctx context.Context, r apigen.InspectSourceRequestObject) (apigen.InspectSourceResponseObject, error) {
	src, err := s.inspected(r)
	if err != nil {
		return nil, err
	}
	info, err := s.Tasks.Inspect(ctx, src)
	if err != nil {
		return nil, err
	}
	return apigen.InspectSource200JSONResponse(sourceInfoOf(info)), nil
}

func (s *server) inspected(r apigen.InspectSourceRequestObject) (*core.NewSource, error) {
	if r.MultipartBody != nil {
		return s.readTorrentUpload(r.MultipartBody)
	}
	src := newSource(r.JSONBody.Source, "source")
	return &src, nil
}

func sourceInfoOf(info *core.SourceInfo) apigen.SourceInfo {
	out := apigen.SourceInfo{
		Kind: apigen.SourceKind(info.Kind), Name: optional(info.Name), InfoHash: optional(info.InfoHash),
		InfoHashV2: optional(info.InfoHashV2), Private: info.Private, Resumable: info.Resumable,
		Downloaders: append([]string{}, info.Downloaders...),
	}
	if info.Size >= 0 {
		out.Size = &info.Size
	}
	if info.Files == nil {
		return out
	}
	files := make([]apigen.SourceFile, len(info.Files))
	for i, f := range info.Files {
		files[i] = apigen.SourceFile{Index: f.Index, Path: f.Path, Size: f.Size}
	}
	out.Files = &files
	return out
}
