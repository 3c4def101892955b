// Package audit names what contradicts something else: a row without its file,
// a counter that is not the sum of its rows.
package audit

// Finding is one contradiction.
type Finding struct {
	Check   string // what was compared, one word: original, counter, job
	Subject string // the row, file or process that it is about
	Detail  string // what is there, and what should be; English
}

// String is a line for operators.
func (f Finding) String() string { return f.Check + " " + f.Subject + ": " + f.Detail }

// Report receives each finding as it is found.
type Report func(Finding)
