package settings

import (
	"net"
	"net/netip"
	"strconv"
)

// CheckListen notes what is wrong with address, a host:port to listen on, whose host may be empty.
func CheckListen(ps *Problems, setting, address string) {
	_, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		ps.Add(setting, "is not an address to listen on", "give host:port, such as 127.0.0.1:8081, or :8080 for every interface")
	}
}

// CheckListenApart notes that setting's address cannot be listened on beside the address of other, however the two are
// spelt: ":8080" takes the port on every interface. Addresses that CheckListen refuses are left to it.
func CheckListenApart(ps *Problems, setting, address, other, otherAddress string) {
	host, port, ok := splitListen(address)
	otherHost, otherPort, otherOK := splitListen(otherAddress)
	if ok && otherOK && port == otherPort && port != 0 && (covers(host, otherHost) || covers(otherHost, host)) {
		ps.Add(setting, "is the address of "+other+" too", "give each a port of its own")
	}
}

func splitListen(address string) (host string, port uint64, ok bool) {
	host, text, err := net.SplitHostPort(address)
	port, bad := strconv.ParseUint(text, 10, 16)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return host, port, err == nil && bad == nil
}

// covers reports whether listening on host takes the port on other too.
func covers(host, other string) bool {
	h, hErr := netip.ParseAddr(host)
	o, oErr := netip.ParseAddr(other)
	switch {
	case host == "", host == other:
		return true
	case hErr != nil:
		return false
	case h == netip.IPv6Unspecified():
		return true
	case h.Unmap() == netip.IPv4Unspecified():
		return oErr != nil || o.Unmap().Is4()
	}
	return oErr == nil && h.Unmap() == o.Unmap()
}
