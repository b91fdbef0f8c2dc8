package lab

import "testing"

func TestAria2KeepsItsAddressOverARestart(t *testing.T) {
	a := StartAria2(t, Aria2Options{})
	address, pid := a.Address, a.PID
	a.Kill9()
	a.Restart()
	if a.Address != address || a.PID == pid {
		t.Errorf("address %s, was %s; PID %d, was %d", a.Address, address, a.PID, pid)
	}
	a.Stop()
}
