/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nothing here is a trace, so this is not a session (session.h): whatever a trace would say is not for us and skipped.
 * When the engine dies meanwhile (GAP) its successor knows of no question, which is asked again under a new number: no
 * part of the old answer can be taken for one of the new.
 */
#include "client/status_talk.h"

#include <errno.h>

#include "client/escape.h"

enum {
        FRAME_OUT_BYTES = PROTO_HEADER_BYTES + 256,
        MINOR_WITH_STATUS = 3, /* of the protocol */
};

static int send_buffer(struct status_talk *talk, int encoded, const struct proto_buffer *buffer)
{
        return encoded < 0 ? encoded : talk->send(talk->send_arg, buffer->data, buffer->n_bytes);
}

int status_talk_begin(struct status_talk *talk)
{
        static const char name[] = "faultline " FAULTLINE_VERSION;
        uint8_t bytes[FRAME_OUT_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        const struct proto_hello hello = {
                .major = PROTO_MAJOR, .minor = PROTO_MINOR, .client = {.data = name, .n_bytes = sizeof(name) - 1}};

        talk->is_asking = true;
        return send_buffer(talk, proto_encode_hello(&buffer, 0, &hello), &buffer);
}

int status_talk_ask(struct status_talk *talk)
{
        uint8_t bytes[FRAME_OUT_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        const struct proto_status status = {.req = ++talk->req, .flags = talk->flags};

        status_free(&talk->status);
        talk->is_asking = true;
        return send_buffer(talk, proto_encode_status(&buffer, 0, &status), &buffer);
}

void status_talk_free(struct status_talk *talk)
{
        status_free(&talk->status);
        text_free(&talk->reason);
}

/* --- receiving --- */

static int broken(struct status_talk *talk, const struct proto_header *header, const char *what)
{
        const char *name = message_text(header->type);

        text_put_string(&talk->reason, "faultlined sent a message (");
        if (name)
                text_put_string(&talk->reason, name);
        else
                text_printf(&talk->reason, "type %u", header->type);
        text_printf(&talk->reason, ") that %s; check that faultline and faultlined are of the same version", what);
        return -EPROTO;
}

static int receive_welcome(struct status_talk *talk, const struct proto_header *header, const uint8_t *body,
                           size_t n_bytes)
{
        struct proto_welcome welcome;

        if (proto_decode_welcome(body, n_bytes, &welcome) < 0)
                return broken(talk, header, "is malformed");
        if (welcome.major != PROTO_MAJOR || welcome.minor < MINOR_WITH_STATUS) {
                text_put_string(&talk->reason, "faultlined ");
                (void)escape_terminal(&talk->reason, welcome.version.data, welcome.version.n_bytes);
                text_printf(&talk->reason,
                            " cannot tell its status: it speaks version %u.%u of the protocol, and faultline "
                            "" FAULTLINE_VERSION " version %u.%u; install faultline and faultlined of the same version",
                            welcome.major, welcome.minor, PROTO_MAJOR, PROTO_MINOR);
                return -EPROTO;
        }
        if (talk->welcomed) /* GAP was answered by a greeting, and so was our first one */
                return 0;
        talk->welcomed = true;
        return status_talk_ask(talk);
}

static int receive_error(struct status_talk *talk, const struct proto_header *header, const uint8_t *body,
                         size_t n_bytes)
{
        struct proto_error error;

        if (proto_decode_error(body, n_bytes, &error) < 0)
                return broken(talk, header, "is malformed");
        if (error.req != 0 && error.req != talk->req)
                return 0; /* it was asked again */
        text_put_string(&talk->reason, "faultlined does not tell its status: ");
        (void)escape_terminal(&talk->reason, error.text.data, error.text.n_bytes);
        return -EPROTO;
}

static int receive_bye(struct status_talk *talk, const struct proto_header *header, const uint8_t *body, size_t n_bytes)
{
        struct proto_bye bye;

        if (proto_decode_bye(body, n_bytes, &bye) < 0)
                return broken(talk, header, "is malformed");
        text_put_string(&talk->reason, "faultlined ended the connection");
        if (bye.reason.n_bytes > 0) {
                text_put_string(&talk->reason, ": ");
                (void)escape_terminal(&talk->reason, bye.reason.data, bye.reason.n_bytes);
        }
        return -EPROTO;
}

static int receive_gap(struct status_talk *talk)
{
        if (!talk->welcomed)
                return status_talk_begin(talk);
        return talk->is_asking ? status_talk_ask(talk) : 0;
}

static int receive_status(struct status_talk *talk, const struct proto_header *header, const uint8_t *body,
                          size_t n_bytes)
{
        int r = talk->is_asking && talk->welcomed
                        ? status_receive(&talk->status, talk->req, header->type, body, n_bytes)
                        : STATUS_UNRELATED;

        if (r == -EBADMSG)
                return broken(talk, header, "is malformed");
        if (r == -EMSGSIZE)
                return broken(talk, header, "makes its answer longer than any that it should have");
        if (r == STATUS_UNRELATED && header->flags & PROTO_FLAG_CRITICAL && !message_text(header->type))
                return broken(talk, header, "this version does not know and may not ignore");
        if (r == STATUS_COMPLETE)
                talk->is_asking = false;
        return MIN_OF(r, 0);
}

int status_talk_receive(struct status_talk *talk, const uint8_t *frame, size_t n_bytes)
{
        const uint8_t *body = frame + PROTO_HEADER_BYTES;
        struct proto_header header;

        if (proto_decode_header(frame, n_bytes, &header) < 0) {
                text_put_string(&talk->reason, "faultlined sent something that is not a message of its protocol; "
                                               "check that the socket is that of faultlined");
                return -EPROTO;
        }
        n_bytes -= PROTO_HEADER_BYTES;
        switch (header.type) {
        case MESSAGE_WELCOME:
                return receive_welcome(talk, &header, body, n_bytes);
        case MESSAGE_ERROR:
                return receive_error(talk, &header, body, n_bytes);
        case MESSAGE_BYE:
                return receive_bye(talk, &header, body, n_bytes);
        case MESSAGE_GAP:
                return receive_gap(talk);
        default:
                return receive_status(talk, &header, body, n_bytes);
        }
}
