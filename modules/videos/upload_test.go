package videos

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/textkey"
)

func TestUpload_RefusesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	title, file := value("title", "Triple"), movie("a.mp4", content(1000))
	// kind is the content type, empty for formType and "-" for none; field is
	// the code of the field at fault, if one is named.
	tests := map[string]struct{ form, kind, code, field string }{
		"no multipart":                {form: title + file + closing, kind: "application/json", code: "MALFORMED_MULTIPART"},
		"no content type":             {form: title + file + closing, kind: "-", code: "MALFORMED_MULTIPART"},
		"multipart/mixed":             {form: title + file + closing, kind: "multipart/mixed; boundary=" + boundary, code: "MALFORMED_MULTIPART"},
		"boundary missing":            {form: title + file + closing, kind: "multipart/form-data", code: "MALFORMED_MULTIPART"},
		"boundary empty":              {form: title + file + closing, kind: `multipart/form-data; boundary=""`, code: "MALFORMED_MULTIPART"},
		"boundary of 71":              {form: title + file + closing, kind: "multipart/form-data; boundary=" + strings.Repeat("b", 71), code: "MALFORMED_MULTIPART"},
		"boundary of another":         {form: title + file + closing, kind: "multipart/form-data; boundary=other", code: "MALFORMED_MULTIPART"},
		"boundary with line break":    {form: title + file + closing, kind: `multipart/form-data; boundary="b%0d%0a"`, code: "MALFORMED_MULTIPART"},
		"body empty":                  {code: "MALFORMED_MULTIPART"},
		"final boundary missing":      {form: title + file, code: "MALFORMED_MULTIPART"},
		"final boundary not final":    {form: title + file + "--" + boundary + "\r\n", code: "MALFORMED_MULTIPART"},
		"final boundary of another":   {form: title + file + "--other--\r\n", code: "MALFORMED_MULTIPART"},
		"truncated within the file":   {form: title + file[:500], code: "MALFORMED_MULTIPART"},
		"truncated within the header": {form: title + file[:60], code: "MALFORMED_MULTIPART"},
		"no parts":                    {form: closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"no file":                     {form: title + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"no title":                    {form: file + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"file as a text field":        {form: title + value("video_file", "x") + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"file name empty":             {form: title + movie("", content(9)) + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"file empty":                  {form: title + movie("a.mp4", nil) + closing, code: "EMPTY_FILE"},
		"two files":                   {form: title + file + file + closing, code: "VALIDATION_FAILED", field: "REPEATED"},
		"two files, by both names":    {form: title + file + part(`form-data; name="file"; filename="b.mp4"`, content(9)) + closing, code: "VALIDATION_FAILED", field: "REPEATED"},
		"two titles":                  {form: title + file + title + closing, code: "VALIDATION_FAILED", field: "REPEATED"},
		"two starts":                  {form: title + value("start", "1") + value("start", "1") + file + closing, code: "VALIDATION_FAILED", field: "REPEATED"},
		"extension of a text":         {form: title + movie("a.txt", content(9)) + closing, code: "CONTAINER_NOT_ALLOWED", field: "CONTAINER_NOT_ALLOWED"},
		"extension not configured":    {form: title + movie("a.webm", content(9)) + closing, code: "CONTAINER_NOT_ALLOWED", field: "CONTAINER_NOT_ALLOWED"},
		"extension missing":           {form: title + movie("mp4", content(9)) + closing, code: "CONTAINER_NOT_ALLOWED", field: "CONTAINER_NOT_ALLOWED"},
		"title after file, blank":     {form: file + value("title", " \t ") + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"title zero-width":            {form: value("title", "\u200b\u200d\ufeff\u2060") + file + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"title of marks only":         {form: value("title", "\u0301\u0302") + file + closing, code: "VALIDATION_FAILED", field: "REQUIRED"},
		"title of 256":                {form: value("title", strings.Repeat("ñ", 256)) + file + closing, code: "VALIDATION_FAILED", field: "TOO_LONG"},
		"title of 10,000":             {form: value("title", strings.Repeat("x", 10_000)) + file + closing, code: "VALIDATION_FAILED", field: "TOO_LONG"},
		"title of 100,000":            {form: value("title", strings.Repeat("x", 100_000)) + file + closing, code: "VALIDATION_FAILED", field: "TOO_LONG"},
		"title with a thousand marks": {form: value("title", "a"+strings.Repeat("\u0316", 1000)) + file + closing, code: "VALIDATION_FAILED", field: "TOO_LONG"},
		"title with NUL":              {form: value("title", "a\x00b") + file + closing, code: "VALIDATION_FAILED", field: "INVALID_CHARACTER"},
		"title not UTF-8":             {form: value("title", "a\xff") + file + closing, code: "VALIDATION_FAILED", field: "INVALID_CHARACTER"},
	}
	for _, start := range []string{"-1", "abc", "NaN", "Inf", "86401", "1,5", "1 2", "0x", strings.Repeat("1", 400)} {
		tests["start "+start[:min(9, len(start))]] = struct{ form, kind, code, field string }{
			form: title + value("start", start) + file + closing, code: "VALIDATION_FAILED", field: "INVALID",
		}
	}
	for name, tt := range tests {
		header := []string{}
		switch tt.kind {
		case "":
		case "-":
			header = []string{"Content-Type", ""}
		default:
			header = []string{"Content-Type", tt.kind}
		}
		for _, lengthless := range []bool{false, true} {
			var a answer
			if lengthless {
				kind := append([]string{"Content-Type", formType}, header...)
				a = b.send(t, "POST", "/api/videos", b.user, chunked{strings.NewReader(tt.form)}, kind...)
			} else {
				a = b.upload(t, tt.form, header...)
			}
			require.Equal(t, 400, a.status, name+": "+a.text)
			require.Equal(t, tt.code, a.code, name+": "+a.text)
			if tt.field != "" {
				var p struct {
					Errors []struct{ Field, Code string }
				}
				a.into(t, &p)
				require.Len(t, p.Errors, 1, name)
				require.Equal(t, tt.field, p.Errors[0].Code, name)
			}
			require.Empty(t, b.left(t), name)
		}
	}
}

func TestUpload_FileNamesDecideNothingButTheFormat(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	file := func(disposition string) string {
		return value("title", "Triple") + part(disposition, content(64)) + closing
	}
	named := func(name string) string { return `form-data; name="video_file"; filename="` + name + `"` }
	for disposition, status := range map[string]int{
		named("../../etc/cron.d/x.mp4"):           201,
		named(`..\\..\\x.mp4`):                    201,
		named("/etc/passwd.mov"):                  201,
		named("A.MP4"):                            201,
		named("-i.mp4"):                           201,
		named("$(touch x).mp4"):                   201,
		named("a;rm -rf.mp4"):                     201,
		named("🏀.mp4"):                            201,
		named(strings.Repeat("x", 1000) + ".mp4"): 201,
		`form-data; name="video_file"; filename*=UTF-8''..%2f..%2fx.mp4`: 201,
		named("../../etc/cron.d/x"):                                      400,
		named("x.mp4\x00.php"):                                           400,
		named("x.mp4/"):                                                  400,
		named("."):                                                       400,
		named(".."):                                                      400,
		named("x.mp4.php"):                                               400,
		named("a\r\nX: y.mp4"):                                           400,
		`form-data; name="video_file"; filename*=UTF-8''..%2f`:             400,
		`form-data; name="video_file"; filename="a.mp4"; filename="b.mp4"`: 400,
		`attachment; filename="a.mp4"`:                                     400,
	} {
		before := countVideos(t, b.db)
		a := b.upload(t, file(disposition))
		require.Equal(t, status, a.status, disposition+a.text)
		if status == 201 {
			r := b.stored(t, content(64))
			require.Equal(t, r.ID.String()+path.Ext(r.OriginalKey), r.OriginalKey)
			before++
		}
		require.Equal(t, before, countVideos(t, b.db), disposition)
		require.Len(t, b.left(t), int(before)+min(int(before), 1), "one file a row, all within the folder") // and the line on the rows
	}
}

func TestUpload_StoresTheFormInAnyOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		title, start, file := value("title", " Triple "), value("start", "12.3456"), movie("a.mov", content(5000))
		for _, form := range []string{
			title + start + file + closing, title + start + file + strings.TrimSpace(closing), file + start + title + closing, "preamble\r\n" + title + file + start + closing + "epilogue",
			value("user_id", uuid.NewString()) + title + part(`form-data; name="x"; filename="y.exe"`, content(100)) + start + file + closing,
			title + start + strings.Replace(file, "video_file", "file", 1) + closing,
		} {
			a := b.upload(t, form, "Authorization", "Bearer "+b.user.String())
			require.Equal(t, 201, a.status, a.text)
			r := b.stored(t, content(5000))
			want, err := json.Marshal(map[string]any{
				"message": "Video subido correctamente. Procesamiento en curso.", "task_id": b.queue.task, "video_id": r.ID, "status": "uploaded",
			})
			require.NoError(t, err)
			require.JSONEq(t, string(want), a.text)
			sum := sha256.Sum256(content(5000))
			require.Equal(t, hex.EncodeToString(sum[:]), r.OriginalSHA256)
			require.Equal(t, b.user, r.UserID, "a field never sets the owner")
			require.Equal(t, "Triple", r.Title)
			require.EqualValues(t, 12346, r.StartMS)
			require.Equal(t, r.ID.String()+".mov", r.OriginalKey)
		}
	})
}

func TestUpload_ReturnsTitlesAsSent(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		for _, title := range []string{
			"a", strings.Repeat("ñ", 255), "dos\nlíneas", "\u202egnirts", "👨‍👩‍👧‍👦 🏀", "z\u0316\u0317\u0318algo", "Bogota\u0301", "a\u200bb",
			"<script>alert(1)</script>", `"><img onerror=alert(1)>`, "{{7*7}}", `=cmd|' /C calc'!A0`, "javascript:alert(1)", "'; DROP TABLE videos; --",
		} {
			a := b.upload(t, value("title", "\u00a0 "+title+"\r\n\t")+movie("a.mp4", content(4))+closing)
			require.Equal(t, 201, a.status, title+a.text)
			var got uploadResponse
			a.into(t, &got)
			var d detailResponse
			b.get(t, "/api/videos/"+got.VideoID.String()).into(t, &d)
			require.Equal(t, textkey.NFC(title), d.Title)
		}
	})
}
