package processing

import "flag"

// update makes tests write the files that they otherwise compare with.
var update = flag.Bool("update", false, "write the pictures and tables that the documentation shows")
