package bed

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// bridge connects the pods of all nodes.
const bridge = "cni0"

// raiseNetwork gives the network namespace this process is in its addresses.
// They lie on the loopback device: pods get there by way of their bridge, and
// no rule has to translate anything.
func (b Bed) raiseNetwork() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("raise the loopback device: %w", err)
	}
	addresses := []string{APIServer, Host}
	for i := range b.Nodes {
		addresses = append(addresses, nodeAddress(i))
	}
	for _, address := range addresses {
		parsed, err := netlink.ParseAddr(address + "/32")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(loopback, parsed); err != nil {
			return fmt.Errorf("add address %s: %w", address, err)
		}
	}
	return nil
}

func nodeAddress(index int) string { return "10.245.0." + strconv.Itoa(index+1) }

// plug pulls the cable of a pod out of the bridge, or puts it back. The pod
// itself notices nothing, and probes that run inside of it go on to pass.
func plug(pid int, in bool) error {
	outside, err := peer(pid)
	if err != nil {
		return fmt.Errorf("find the pod's network device: %w", err)
	}
	if !in {
		return netlink.LinkSetNoMaster(outside)
	}
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return err
	}
	return netlink.LinkSetMaster(outside, master)
}

// peer is the device in this network namespace that is the other end of eth0
// of the process.
func peer(pid int) (netlink.Link, error) {
	theirs, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	handle, err := netlink.NewHandleAt(theirs)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	inside, err := handle.LinkByName("eth0")
	if err != nil {
		return nil, err
	}
	return netlink.LinkByIndex(inside.Attrs().ParentIndex)
}

// EnterNetwork moves the calling thread into the testbed's network namespace.
// Its goroutine has to be locked to it, and a program it then executes is there.
func (b Bed) EnterNetwork() error {
	if err := b.supervised(); err != nil {
		return err
	}
	space, err := netns.GetFromPid(b.Pid)
	if err != nil {
		return fmt.Errorf("find the testbed's network: %w", err)
	}
	defer space.Close()
	if err := netns.Set(space); err != nil {
		return fmt.Errorf("enter the testbed's network: %w", err)
	}
	return nil
}

// supervised is an error unless the process on record still is the testbed's:
// a number alone may be another process's by now.
func (b Bed) supervised() error {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(b.Pid) + "/cgroup")
	if err != nil || !strings.Contains(string(groups), "/"+b.Group+"/") {
		return errors.New("the testbed in " + b.Dir + " does not run; `testbed down` removes what is left of it")
	}
	return nil
}
