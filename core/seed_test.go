package core

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

func TestTheNearestPolicyOfSeedingCounts(t *testing.T) {
	off, two := &SeedPolicy{}, &SeedPolicy{Enabled: true, Ratio: 2, IdleSeconds: 60}
	if l := EffectiveSeed(false, nil, two, off); l == nil || l.Ratio != 2 || l.Idle != time.Minute {
		t.Errorf("the group's: %+v", l)
	}
	if l := EffectiveSeed(true, off, two); l != nil {
		t.Errorf("its owner does not want it: %+v", l)
	}
	if l := EffectiveSeed(false, nil, nil, nil); l != nil {
		t.Errorf("nobody has said anything: %+v", l)
	}
	if l := EffectiveSeed(true, nil, nil, nil); l == nil || l.Ratio != 1 || l.Time != 72*time.Hour {
		t.Errorf("a private torrent is left: %+v", l)
	}
}

func TestTheWidestLimitsHoldForASharedJob(t *testing.T) {
	a := downloader.Limits{DownloadRate: 10, UploadRate: 5, Seed: &downloader.SeedLimits{Ratio: 1, Time: time.Hour}}
	b := downloader.Limits{DownloadRate: 20, Seed: &downloader.SeedLimits{Ratio: 2}}
	got := widerLimits(a, b)
	if got.DownloadRate != 20 || got.UploadRate != 0 || got.Seed.Ratio != 2 || got.Seed.Time != 0 {
		t.Errorf("%+v %+v", got, got.Seed)
	}
}
