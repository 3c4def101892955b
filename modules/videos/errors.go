package videos

import (
	"time"

	"anb/platform/fault"
)

// What can be wrong with a request about a video.
var (
	ErrNotFound  = fault.New(fault.NotFound, "VIDEO_NOT_FOUND", "Video no encontrado.")
	ErrNotOwner  = fault.New(fault.Forbidden, "NOT_OWNER", "No tienes permiso sobre este video.")
	ErrPublished = fault.New(fault.Invalid, "VIDEO_PUBLISHED", "El video ya fue publicado y no se puede eliminar.")

	ErrTooLarge    = fault.New(fault.Invalid, "FILE_TOO_LARGE", "El archivo supera el tamaño máximo permitido.")
	ErrExtension   = fault.New(fault.Invalid, "CONTAINER_NOT_ALLOWED", "El formato del archivo no está permitido.")
	ErrEmpty       = fault.New(fault.Invalid, "EMPTY_FILE", "El archivo está vacío. Elige un video de tu teléfono y vuelve a intentarlo.")
	ErrMultipart   = fault.New(fault.Invalid, "MALFORMED_MULTIPART", "El formulario de carga no es válido. Envía el video como multipart/form-data.")
	ErrKeyReused   = fault.New(fault.Invalid, "IDEMPOTENCY_KEY_REUSED", "La clave Idempotency-Key ya se usó para otra carga. Usa una clave nueva para cada video.")
	ErrStorageFull = fault.New(fault.Unavailable, "STORAGE_FULL", "No hay espacio para recibir videos en este momento. Intenta de nuevo más tarde.")
	errPlayerBusy  = fault.New(fault.TooMany, "UPLOADS_IN_PROGRESS", "Ya tienes varios videos subiendo. Espera a que termine uno e intenta de nuevo.").After(30 * time.Second)
	errUploadsBusy = fault.New(fault.Unavailable, "TOO_MANY_UPLOADS", "Estamos recibiendo demasiados videos en este momento. Intenta de nuevo en un minuto.").After(time.Minute)

	errRange     = fault.New(fault.BadRange, "RANGE_NOT_SATISFIABLE", "El rango solicitado no existe en el archivo.")
	errSignature = fault.New(fault.Forbidden, "SIGNATURE_INVALID", "El enlace no es válido. Vuelve a abrir tu video para obtener uno nuevo.")
	errExpired   = fault.New(fault.Forbidden, "SIGNATURE_EXPIRED", "El enlace ha vencido. Vuelve a abrir tu video para obtener uno nuevo.")
)

func field(name, code, message string) error {
	return fault.Validation([]fault.Field{{Field: name, Code: code, Message: message}})
}
