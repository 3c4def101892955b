// Package crash marks the places where tests kill the process, to see that
// nothing is lost there. In a normal build At does nothing and costs nothing;
// with the build tag crashpoints four variables arm it:
//
//	ANB_CRASH_AT=upload.stored      SIGKILL to itself at that point
//	ANB_CRASH_AT=upload.stored:2    the second time that it is passed
//	ANB_STALL_AT=fetch.next         the goroutine that passes it stops for ever
//	ANB_PANIC_AT=vote.checked       a panic there
//	ANB_STOP_AT=publish.poster      SIGSTOP to itself, until somebody sends SIGCONT
package crash

import "slices"

// Point is a place in the program, named after its step.
type Point string

// The points, in the order in which a video passes them. Each is at one place,
// and a normal run of its step passes it once.
const (
	UploadReceived  Point = "upload.received"  // the file is staged
	UploadInspected Point = "upload.inspected" // and found good
	StoreFlushed    Point = "store.flushed"    // its content is durable, without a key
	StoreLinked     Point = "store.linked"     // it has its key, which may not be durable
	UploadStored    Point = "upload.stored"    // the file is safe, nothing is recorded
	UploadInserted  Point = "upload.inserted"  // in the transaction: the video's row
	EnqueueInserted Point = "enqueue.inserted" // in the transaction: the job's row
	UploadRecorded  Point = "upload.recorded"  // both are committed, no worker is woken
	EnqueueSent     Point = "enqueue.sent"     // the wake-up was sent
	UploadAnswering Point = "upload.answering" // all is done but the answer

	FetchNext    Point = "fetch.next"    // a worker is about to take a message; again each second
	ClaimClaimed Point = "claim.claimed" // in the transaction: the job's row
	ClaimMarked  Point = "claim.marked"  // in the transaction: the video's status
	ClaimTaken   Point = "claim.taken"   // both are committed, nothing has begun

	EncodeFetched   Point = "encode.fetched"   // the original is at hand
	EncodeInspected Point = "encode.inspected" // and found good
	EncodeRunning   Point = "encode.running"   // ffmpeg has reported for the first time
	EncodeEncoded   Point = "encode.encoded"   // the files are made, not stored

	PublishVideo     Point = "publish.video"     // the video is stored
	PublishPoster    Point = "publish.poster"    // and its poster
	PublishFinished  Point = "publish.finished"  // in the transaction: the job is done
	PublishPublished Point = "publish.published" // in the transaction: the video is published
	PublishCommitted Point = "publish.committed" // both are committed
	AckPending       Point = "ack.pending"       // the message is still the worker's
	AckDone          Point = "ack.done"          // the message is gone

	DeleteCancelled Point = "delete.cancelled" // in the transaction: the job
	DeleteDeleted   Point = "delete.deleted"   // in the transaction: the video's row
	DeleteCommitted Point = "delete.committed" // both are committed, the file is there
	DeleteRemoved   Point = "delete.removed"   // all is done but the answer

	VoteChecked Point = "vote.checked" // who votes and for what is known
	VoteCounted Point = "vote.counted" // all is done but the answer
)

var points = [...]Point{
	UploadReceived, UploadInspected, StoreFlushed, StoreLinked, UploadStored, UploadInserted, EnqueueInserted,
	UploadRecorded, EnqueueSent, UploadAnswering,
	FetchNext, ClaimClaimed, ClaimMarked, ClaimTaken,
	EncodeFetched, EncodeInspected, EncodeRunning, EncodeEncoded,
	PublishVideo, PublishPoster, PublishFinished, PublishPublished, PublishCommitted, AckPending, AckDone,
	DeleteCancelled, DeleteDeleted, DeleteCommitted, DeleteRemoved,
	VoteChecked, VoteCounted,
}

// Points returns all of them.
func Points() []Point { return slices.Clone(points[:]) }
