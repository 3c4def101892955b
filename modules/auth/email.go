package auth

import "strings"

// maxEmail is the length of an address, in bytes.
const maxEmail = 254

// emailKey is what makes two addresses the same.
func emailKey(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// validEmail accepts what mail providers hand out: a dot-atom in ASCII, at
// most 64 bytes, at a domain with a dot. Quoted names, address literals and
// comments, which RFC 5321 also allows, are more often attacks than people.
func validEmail(email string) bool {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || len(email) > maxEmail || len(local) > 64 {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtom) {
			return false
		}
	}
	labels := strings.Split(domain, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notLabel) {
			return false
		}
	}
	top := labels[len(labels)-1]
	return len(labels) > 1 && len(top) > 1 && strings.Trim(top, "0123456789") != ""
}

func notLabel(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
}

func notAtom(r rune) bool { return notLabel(r) && !strings.ContainsRune("!#$%&'*+/=?^_`{|}~", r) }
