package database

// CommitError is commitError, whose rarer causes no test can bring about.
var CommitError = commitError
