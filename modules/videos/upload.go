package videos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/crash"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/identity"
	"anb/platform/storage"
)

// formOverhead is what a form may add to its file: boundaries, headers, title.
const formOverhead = 64 << 10

// drainMore is how much more than a file is read of a refused upload. With
// what net/http reads by itself before it closes (256 KiB) it stays under 1 MiB.
const drainMore = 512 << 10

// maxField is the longest text field that is read, in bytes.
const maxField = 16 << 10

type uploadResponse struct {
	Message string    `json:"message"`
	TaskID  uuid.UUID `json:"task_id"`
	VideoID uuid.UUID `json:"video_id"`
	Status  Status    `json:"status"`
}

// upload handles POST /api/videos/upload. The form is read part by part, once,
// straight into the store's staging: memory stays constant.
func (h handler) upload(c echo.Context) error {
	user, _ := identity.From(c.Request().Context())
	if c.Request().ContentLength > h.Config.MaxBytes+formOverhead {
		return h.tooLarge()
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	release, err := h.slots.take(user.UserID)
	if err != nil {
		return err
	}
	defer release()
	form, body, err := h.formReader(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	in, err := h.receive(ctx, form)
	if in.file != nil {
		defer func() { _ = in.file.Discard() }() // nothing to do after a commit; else Sweep tries again
	}
	if err != nil {
		return err
	}
	// A request that ends before the length it announced was cut off, even if
	// its form is complete: its sender will try again.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return broken(err)
	}
	crash.At(crash.UploadReceived)
	in.key = key
	receipt, err := h.accept(ctx, user.UserID, in)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		c.Response().Header().Set(replayedHeader, "true")
	}
	crash.At(crash.UploadAnswering)
	return c.JSON(http.StatusCreated, uploadResponse{
		Message: "Video subido correctamente. Procesamiento en curso.",
		TaskID:  receipt.TaskID, VideoID: receipt.VideoID, Status: receipt.Status,
	})
}

// formReader returns the reader of the form, and the body beneath it.
func (h handler) formReader(c echo.Context) (*multipart.Reader, io.Reader, error) {
	media, params, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil || media != "multipart/form-data" {
		return nil, nil, ErrMultipart
	}
	if b := params["boundary"]; b == "" || len(b) > 70 { // RFC 2046
		return nil, nil, ErrMultipart
	}
	body, _ := httpserver.Rolling(c, h.pace())
	body = io.LimitReader(body, h.Config.MaxBytes+formOverhead+1)
	// What follows keeps a form that ends right after a boundary, though not the
	// final one, from passing as complete.
	return multipart.NewReader(io.MultiReader(body, strings.NewReader("\r\nx")), params["boundary"]), body, nil
}

// receive reads the form. The file it returns, even with an error, is the
// caller's to discard.
func (h handler) receive(ctx context.Context, form *multipart.Reader) (in incoming, err error) {
	var titles, starts, files int
	for {
		part, err := form.NextPart()
		if err == io.EOF { //nolint:errorlint // bare after the last boundary; wrapped when the form ends before it
			break
		}
		if err != nil {
			return in, broken(err)
		}
		switch name := part.FormName(); name {
		case "title":
			if titles++; titles > 1 {
				return in, field(name, "REPEATED", "El título debe enviarse una sola vez.")
			}
			text, err := text(part)
			if err != nil {
				return in, err
			}
			if in.title, err = cleanTitle(text); err != nil {
				return in, err
			}
		case "start":
			if starts++; starts > 1 {
				return in, field(name, "REPEATED", "El segundo de inicio debe enviarse una sola vez.")
			}
			text, err := text(part)
			if err != nil {
				return in, err
			}
			if in.start, err = parseStart(text); err != nil {
				return in, err
			}
		case "video_file", "file":
			if files++; files > 1 {
				return in, field("video_file", "REPEATED", "Envía un solo archivo de video.")
			}
			if err := h.receiveFile(ctx, part, &in); err != nil {
				return in, err
			}
		default: // unknown fields are ignored, at the price of reading them
			if _, err := io.Copy(io.Discard, part); err != nil {
				return in, broken(err)
			}
		}
	}
	switch {
	case files == 0:
		return in, field("video_file", "REQUIRED", "El archivo de video es obligatorio.")
	case titles == 0:
		return in, field("title", "REQUIRED", "El título es obligatorio.")
	}
	return in, nil
}

// room refuses an upload that might take of what is to stay free. What tells no
// room, as S3, has it.
func (h handler) room(ctx context.Context) error {
	if h.Config.Reserve == 0 {
		return nil
	}
	free, known, err := h.Originals.Free(ctx)
	if err == nil && known && free < uint64(h.Config.Reserve+h.Config.MaxBytes) {
		return storageFault(storage.ErrFull)
	}
	return nil // a storage that is away says so when it is written to
}

// receiveFile stages the part, hashing and counting on the way.
func (h handler) receiveFile(ctx context.Context, part *multipart.Part, in *incoming) error {
	name := rawFileName(part)
	if name == "" {
		return field("video_file", "REQUIRED", "El archivo de video es obligatorio y debe tener nombre.")
	}
	in.format = strings.ToLower(strings.TrimPrefix(filepath.Ext(name), "."))
	if !slices.Contains(h.Config.Formats, in.format) {
		return h.wrongExtension()
	}
	if err := h.room(ctx); err != nil {
		return fmt.Errorf("stage upload: %w", err)
	}
	file, err := h.Originals.Stage(ctx)
	if err != nil {
		return fmt.Errorf("stage upload: %w", storageFault(err))
	}
	in.file = file
	sum := sha256.New()
	into := io.MultiWriter(sinkTo{file}, sum)
	in.bytes, err = io.CopyBuffer(into, struct{ io.Reader }{io.LimitReader(part, h.Config.MaxBytes+1)}, make([]byte, 64<<10))
	h.measures.bytes.Add(float64(in.bytes))
	var written writeError
	switch {
	case errors.As(err, &written):
		return fmt.Errorf("stage upload: %w", storageFault(written.error))
	case err != nil:
		return broken(err)
	case in.bytes > h.Config.MaxBytes:
		return h.tooLarge()
	case in.bytes == 0:
		return ErrEmpty.With(fault.Field{Field: "video_file", Code: ErrEmpty.Code, Message: ErrEmpty.Message})
	}
	in.sha256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// sinkTo marks the errors of writing, to tell our disk from the client's line.
type sinkTo struct{ w io.Writer }

func (s sinkTo) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		err = writeError{err}
	}
	return n, err
}

type writeError struct{ error }

// rawFileName returns the file name as sent; part.FileName would hide that a
// name was there but is only a path. It is used for its extension and nothing
// else.
func rawFileName(part *multipart.Part) string {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return part.FileName()
	}
	return params["filename"]
}

// wrongExtension names the formats that are accepted.
func (h handler) wrongExtension() error {
	e := *ErrExtension
	e.Message = "El formato del archivo no está permitido. Sube un video en formato " + strings.ToUpper(strings.Join(h.Config.Formats, ", ")) + "."
	return e.With(fault.Field{Field: "video_file", Code: e.Code, Message: e.Message})
}

func (h handler) tooLarge() error {
	e := *ErrTooLarge
	e.Message = fmt.Sprintf("El archivo supera el tamaño máximo permitido de %d MB. Recorta el video o baja su calidad e inténtalo de nuevo.", h.Config.MaxBytes>>20)
	return e.With(fault.Field{Field: "video_file", Code: e.Code, Message: e.Message})
}

// broken is an error of reading the form: the client's, or its line's.
func broken(err error) error {
	var f *fault.Error
	if errors.As(err, &f) { // too slow: 408
		return fmt.Errorf("read upload: %w", err)
	}
	return ErrMultipart.Because(err)
}

// text reads a short text field.
func text(part *multipart.Part) (string, error) {
	b, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return "", broken(err)
	}
	if len(b) > maxField {
		return "", field(part.FormName(), "TOO_LONG", "El campo «"+part.FormName()+"» es demasiado largo.")
	}
	return string(b), nil
}

// parseStart reads the second at which the published part begins.
func parseStart(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 24*3600 {
		return 0, field("start", "INVALID", "El segundo de inicio no es válido.")
	}
	return time.Duration(math.Round(f*1000)) * time.Millisecond, nil
}
