package access

import "anb/platform/fault"

// What can be wrong with who is asking; beside these fault.ErrUnauthenticated,
// fault.ErrForbidden and fault.ErrUnavailable.
var (
	ErrCredentials     = fault.New(fault.Unauthenticated, "INVALID_CREDENTIALS", "Usuario o contraseña incorrectos.")
	ErrTooManyAttempts = fault.New(fault.TooMany, "TOO_MANY_ATTEMPTS", "Demasiados intentos fallidos. Espera un momento antes de intentar de nuevo.")
	ErrCrossSite       = fault.New(fault.Forbidden, "CROSS_SITE", "La solicitud viene de otro sitio y fue rechazada.")
	ErrHost            = fault.New(fault.Forbidden, "HOST_NOT_ALLOWED", "El panel no responde con ese nombre. Agrégalo a monitor.allowed_hosts.")
	ErrLocalOnly       = fault.New(fault.Forbidden, "LOCAL_ONLY", "El panel no tiene usuarios y solo responde a su propio equipo. Configura usuarios para publicarlo.")
	ErrSessionNotFound = fault.New(fault.NotFound, "SESSION_NOT_FOUND", "La sesión no existe o ya terminó.")
)
