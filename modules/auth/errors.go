package auth

import (
	"fmt"

	"anb/platform/fault"
	"anb/platform/passwords"
)

// What can be wrong with a request about an account.
var (
	ErrEmailTaken         = fault.New(fault.Invalid, "EMAIL_TAKEN", "El email ya está registrado.")
	ErrPasswordsDiffer    = fault.New(fault.Invalid, "PASSWORDS_DIFFER", "Las contraseñas no coinciden.")
	ErrPasswordTooCommon  = fault.New(fault.Invalid, "PASSWORD_TOO_COMMON", "La contraseña es demasiado común. Elige otra más difícil de adivinar.")
	ErrInvalidCredentials = fault.New(fault.Unauthenticated, "INVALID_CREDENTIALS", "Email o contraseña incorrectos.")
	ErrUserNotFound       = fault.New(fault.NotFound, "USER_NOT_FOUND", "Usuario no encontrado.")
	ErrBusy               = passwords.ErrBusy

	errFormTooLarge    = fault.New(fault.TooLarge, "BODY_TOO_LARGE", "El cuerpo de la solicitud es demasiado grande.")
	errFormUnsupported = fault.New(fault.Unsupported, "UNSUPPORTED_MEDIA_TYPE", "El tipo de contenido no es compatible. Envía JSON o un formulario en UTF-8.")
	errFormMalformed   = fault.New(fault.Invalid, "MALFORMED_FORM", "El formulario no es válido.")
)

// The success messages of the contract.
const (
	msgCreated   = "Usuario creado exitosamente."
	msgLoggedOut = "Sesión cerrada."
	msgPassword  = "Contraseña actualizada."
)

// nouns name the fields to people.
var nouns = map[string]string{
	"first_name": "nombre", "last_name": "apellido", "email": "email", "username": "email",
	"city": "ciudad", "country": "país", "password": "contraseña", "password1": "contraseña",
	"password2": "confirmación de la contraseña", "current_password": "contraseña actual",
	"new_password1": "nueva contraseña", "new_password2": "confirmación de la nueva contraseña",
}

func required(name string) fault.Field {
	return fault.Field{Field: name, Code: "REQUIRED", Message: "Escribe tu " + nouns[name] + "."}
}

func tooShort(name string, least int) fault.Field {
	return fault.Field{Field: name, Code: "TOO_SHORT", Message: fmt.Sprintf("Tu %s debe tener al menos %d caracteres.", nouns[name], least)}
}

func tooLong(name string, most int) fault.Field {
	return fault.Field{Field: name, Code: "TOO_LONG", Message: fmt.Sprintf("Tu %s no puede tener más de %d caracteres.", nouns[name], most)}
}

func badCharacter(name string) fault.Field {
	return fault.Field{Field: name, Code: "INVALID_CHARACTER", Message: "Tu " + nouns[name] + " contiene caracteres no permitidos."}
}

func badEmail() fault.Field {
	return fault.Field{Field: "email", Code: "INVALID_EMAIL", Message: "El email no es válido."}
}

func wrongPassword() fault.Field {
	return fault.Field{Field: "current_password", Code: "WRONG_PASSWORD", Message: "La contraseña actual no es correcta."}
}

// ofField says with e's code and sentence what is wrong with a field.
func ofField(name string, e *fault.Error) fault.Field {
	return fault.Field{Field: name, Code: e.Code, Message: e.Message}
}

// refusal is nil without fields. A single field whose problem has a fault of
// its own in the contract gives that fault; else it is VALIDATION_FAILED.
func refusal(fields []fault.Field) error {
	if len(fields) == 1 {
		for _, e := range []*fault.Error{ErrPasswordsDiffer, ErrPasswordTooCommon} {
			if fields[0].Code == e.Code {
				return e.With(fields...)
			}
		}
	}
	return fault.Validation(fields)
}
