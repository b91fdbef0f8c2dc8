package core

import "testing"

func TestAJobIsWantedUntilTheLastTaskLeaves(t *testing.T) {
	j := &Job{Revision: 1, Wish: JobRun, Deliveries: []Delivery{{Task: "a"}, {Task: "b"}}}
	j.Leave("a")
	if j.Wish != JobRun || len(j.Deliveries) != 1 || j.Deliveries[0].Task != "b" || j.Revision != 2 {
		t.Fatalf("after the first: %+v", j)
	}
	j.Leave("b")
	if j.Wish != JobRemove || len(j.Deliveries) != 0 || j.Revision != 3 {
		t.Fatalf("after the last: %+v", j)
	}
}

func TestRetryingADeliveryTouchesNoOther(t *testing.T) {
	j := &Job{Deliveries: []Delivery{{Task: "a", Attempt: 1}, {Task: "b", Attempt: 1}}}
	j.RetryDelivery("b")
	if j.Deliveries[0].Attempt != 1 || j.Deliveries[1].Attempt != 2 || j.Revision != 1 {
		t.Fatalf("%+v", j)
	}
}

func TestIDsAscendAndAreChecked(t *testing.T) {
	a, b := NewID[TaskID](), NewID[TaskID]()
	if a >= b {
		t.Errorf("%s does not come before %s", a, b)
	}
	if _, err := ParseID[TaskID](string(a)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "x", string(a) + "0", "{" + string(a) + "}", "../" + string(a)} {
		if _, err := ParseID[TaskID](bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}
