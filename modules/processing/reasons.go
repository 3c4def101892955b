package processing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"anb/platform/ffmpeg"
)

// Reason says why a video was refused or could not be processed. The strings
// are stored and shown, so they never change.
type Reason string

// Permanent reasons: the file is at fault, trying again cannot help.
const (
	ReasonEmptyFile           Reason = "empty_file"
	ReasonFileTooLarge        Reason = "file_too_large"
	ReasonContainerNotAllowed Reason = "container_not_allowed"
	ReasonNotAVideo           Reason = "not_a_video"
	ReasonNoVideoStream       Reason = "no_video_stream"
	ReasonCodecNotSupported   Reason = "codec_not_supported"
	ReasonResolutionTooLow    Reason = "resolution_too_low"
	ReasonResolutionTooLarge  Reason = "resolution_too_large"
	ReasonDurationUnknown     Reason = "duration_unknown"
	ReasonDurationTooShort    Reason = "duration_too_short"
	ReasonDurationTooLong     Reason = "duration_too_long"
	ReasonCorruptStream       Reason = "corrupt_stream"
	ReasonTruncated           Reason = "truncated"
)

// ReasonCancelled is nobody's fault: an operator stopped the work. It is permanent
// too, until an operator says otherwise.
const ReasonCancelled Reason = "cancelled"

// Transient reasons: we are at fault, or nobody; the work is tried again.
const (
	ReasonTimeout       Reason = "timeout"
	ReasonKilled        Reason = "killed"   // by a signal: memory ran out, or a crash
	ReasonNoSpace       Reason = "no_space" // on our disk
	ReasonStorage       Reason = "storage"
	ReasonPoison        Reason = "poison"         // the worker itself died each time
	ReasonEncoderFailed Reason = "encoder_failed" // ffmpeg ended badly, or its output failed the check
)

// Reasons returns all reasons, permanent ones first.
func Reasons() []Reason {
	return []Reason{
		ReasonEmptyFile, ReasonFileTooLarge, ReasonContainerNotAllowed, ReasonNotAVideo, ReasonNoVideoStream,
		ReasonCodecNotSupported, ReasonResolutionTooLow, ReasonResolutionTooLarge, ReasonDurationUnknown,
		ReasonDurationTooShort, ReasonDurationTooLong, ReasonCorruptStream, ReasonTruncated, ReasonCancelled,
		ReasonTimeout, ReasonKilled, ReasonNoSpace, ReasonStorage, ReasonPoison, ReasonEncoderFailed,
	}
}

// Code returns the reason as the API shows it: DURATION_TOO_SHORT.
func (r Reason) Code() string { return strings.ToUpper(string(r)) }

// Permanent reports whether trying again is useless.
func (r Reason) Permanent() bool {
	switch r {
	case ReasonTimeout, ReasonKilled, ReasonNoSpace, ReasonStorage, ReasonPoison, ReasonEncoderFailed:
		return false
	}
	return true
}

// Message returns a Spanish sentence for the player; Limits.Message puts the
// numbers in.
func (r Reason) Message() string {
	switch r {
	case ReasonEmptyFile:
		return "El archivo está vacío. Vuelve a elegir tu video y súbelo otra vez."
	case ReasonFileTooLarge:
		return "El archivo pesa demasiado. Recorta el video o guárdalo con menor calidad y súbelo otra vez."
	case ReasonContainerNotAllowed:
		return "Este tipo de archivo no se acepta. Guarda o exporta tu video como MP4 y súbelo otra vez."
	case ReasonNotAVideo:
		return "El archivo no es un video o está dañado. Comprueba que se reproduce en tu teléfono y súbelo otra vez."
	case ReasonNoVideoStream:
		return "El archivo no contiene imágenes, solo sonido u otros datos. Elige el video de tus jugadas."
	case ReasonCodecNotSupported:
		return "El video usa un formato de imagen que no podemos leer. Expórtalo como MP4 (H.264) y súbelo otra vez."
	case ReasonResolutionTooLow:
		return "El video se ve con muy poca resolución. Grábalo en Full HD (1080p) o más y súbelo otra vez."
	case ReasonResolutionTooLarge:
		return "El video tiene demasiada resolución. Guárdalo en 4K o en Full HD (1080p) y súbelo otra vez."
	case ReasonDurationUnknown:
		return "No pudimos saber cuánto dura el video. Ábrelo en tu teléfono, guárdalo de nuevo y súbelo otra vez."
	case ReasonDurationTooShort:
		return "El video es demasiado corto. Sube uno más largo."
	case ReasonDurationTooLong:
		return "El video es demasiado largo. Recórtalo y súbelo otra vez."
	case ReasonCorruptStream:
		return "El video está dañado y no se puede reproducir bien. Vuelve a copiarlo desde tu cámara y súbelo otra vez."
	case ReasonTruncated:
		return "El video está incompleto: le falta el final. Comprueba que se reproduce hasta el último segundo y súbelo otra vez."
	case ReasonCancelled:
		return "Los organizadores detuvieron el procesamiento de tu video. Bórralo y súbelo otra vez; si no sabes por qué, escríbeles."
	case ReasonTimeout:
		return "El video tardó demasiado en procesarse. Bórralo y súbelo otra vez; si vuelve a pasar, expórtalo en Full HD (1080p)."
	case ReasonNoSpace, ReasonStorage:
		return "Tuvimos un problema para guardar tu video. Bórralo y súbelo otra vez más tarde."
	case ReasonKilled, ReasonPoison, ReasonEncoderFailed:
		return "No pudimos procesar tu video. Bórralo y súbelo otra vez; si vuelve a pasar, expórtalo como MP4 (H.264) en Full HD (1080p)."
	}
	return "No pudimos procesar tu video. Bórralo y súbelo otra vez."
}

// Failure is a reason with what is known about its cause. The cause is for
// operators and never for players.
type Failure struct {
	Reason   Reason
	Err      error  // may be nil
	ExitCode int    // of ffmpeg or ffprobe; 0 when neither ended badly
	Signal   string // that ended it; empty when none
	Tail     string // the end of its stderr

	unforeseen  bool   // an error that nobody classified
	fingerprint string // see there; empty: not made yet
	commands    string // of ffmpeg, in the attempt
}

// Error gives the reason and the cause, for logs.
func (f *Failure) Error() string {
	if f.Err == nil {
		return string(f.Reason)
	}
	return string(f.Reason) + ": " + f.Err.Error()
}

// Unwrap returns the cause, nil if there is none.
func (f *Failure) Unwrap() error { return f.Err }

func reject(r Reason, format string, args ...any) *Failure {
	return &Failure{Reason: r, Err: fmt.Errorf(format, args...)}
}

// failure turns err, met while doing something, into a *Failure with the
// reason that fits, otherwise fallback. A cancelled context is no failure and
// is returned as itself.
func failure(doing string, err error, fallback Reason) error {
	var f *Failure
	if errors.As(err, &f) {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	var exit *ffmpeg.ExitError
	var path *fs.PathError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &Failure{Reason: ReasonTimeout, Err: err}
	case errors.As(err, &exit):
		f := &Failure{Reason: exitReason(exit, fallback), Err: err, ExitCode: exit.Code, Tail: exit.Tail}
		if exit.Signal != 0 {
			f.Signal = exit.Signal.String()
		}
		return f
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Failure{Reason: ReasonNoSpace, Err: err}
	case errors.As(err, &path):
		return &Failure{Reason: ReasonStorage, Err: err}
	}
	return &Failure{Reason: fallback, Err: err}
}

// exitReason reads what ffmpeg said; LANG=C fixes the words of the system.
func exitReason(e *ffmpeg.ExitError, fallback Reason) Reason {
	said := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(e.Tail, w) {
				return true
			}
		}
		return false
	}
	const shellSignal = 128 // a shell that wraps ffmpeg exits with this plus the signal
	switch {
	case e.Signal == syscall.SIGXCPU:
		return ReasonTimeout
	case e.Signal != 0, e.Code > shellSignal && e.Code <= shellSignal+31, said("received signal"):
		return ReasonKilled
	case said("No space left on device", "Disk quota exceeded"):
		return ReasonNoSpace
	case said("Input/output error", "Stale file handle", "Read-only file system", "Permission denied", "No such file or directory"):
		return ReasonStorage
	case said("Cannot allocate memory"):
		return ReasonKilled
	}
	return fallback
}

// exitOf finds how a program ended badly, if that is what err tells.
func exitOf(err error) (*ffmpeg.ExitError, bool) {
	return errors.AsType[*ffmpeg.ExitError](err)
}
