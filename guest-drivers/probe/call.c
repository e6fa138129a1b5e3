/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for single hypercalls, right or wrong ones.
 *
 * "call:NAME,KEY=VALUE,..." fills the hypercall's structure from the table in ops.c
 * and what the keys say, puts it somewhere (or nowhere: "at=null"), calls, and prints
 * what Xen returned and each field that changed.  Fields that hold an address take
 * the places of buffers.h.  The remaining keys say how the call is made:
 *
 *   start=N   Xen keeps how far a long operation came in the bits of the command
 *             above the number of the operation, and a guest may put it there too
 *   at=PLACE  where the structure is; in a buffer it is written there, up to the
 *             buffer's end
 *   cpl=3     from user mode, which Xen refuses
 *   multi=1   as the one entry of a multicall
 */
#include "buffers.h"
#include "call.h"
#include "cpu.h"
#include "hypercall.h"
#include "ops.h"
#include "print.h"
#include "text.h"

#define OP_BITS 6 /* of memory_op's command; start is above them */
#define NAME_SIZE 32

struct request {
    const struct op *op;
    uint64_t cmd, start, cpl, multi;
    struct place at;
    unsigned char bytes[OP_MAX_SIZE];
};

static uint64_t preset_value(enum preset preset)
{
    switch (preset) {
    case PRESET_SELF:
        return DOMID_SELF;
    case PRESET_LIST:
        return buffer_place(BUFFER_LIST).address;
    case PRESET_LIST2:
        return buffer_place(BUFFER_LIST2).address;
    case PRESET_LIST3:
        return buffer_place(BUFFER_LIST3).address;
    case PRESET_COUNT:
        return buffer_elements(BUFFER_LIST);
    case PRESET_COUNT2:
        return buffer_elements(BUFFER_LIST2);
    default:
        return 0;
    }
}

static bool take_op(const char **s, struct request *request)
{
    char name[NAME_SIZE];

    if (take_number(s, &request->cmd)) {
        request->op = &numbered_op;
        return true;
    }
    if (!take_name(s, name, sizeof(name))) {
        return false;
    }
    for (request->op = ops; request->op->name; request->op++) {
        if (text_equal(request->op->name, name)) {
            request->cmd = request->op->cmd;
            return true;
        }
    }
    return false;
}

static const struct field *find_field(const struct op *op, const char *name)
{
    for (const struct field *field = op->fields; field->name; field++) {
        if (text_equal(field->name, name)) {
            return field;
        }
    }
    return NULL;
}

/* "KEY=VALUE" */
static bool take_key(const char **s, struct request *request)
{
    const struct field *field;
    struct place place;
    char name[NAME_SIZE];

    if (!take_name(s, name, sizeof(name)) || !take_char(s, '=')) {
        return false;
    }
    if (text_equal(name, "at")) {
        return take_place(s, &request->at);
    }
    if (text_equal(name, "start")) {
        return take_number(s, &request->start);
    }
    if (text_equal(name, "cpl")) {
        return take_number(s, &request->cpl) && (request->cpl == 0 || request->cpl == 3);
    }
    if (text_equal(name, "multi")) {
        return take_number(s, &request->multi);
    }
    field = find_field(request->op, name);
    if (!field || !take_place(s, &place)) {
        return false;
    }
    memcpy(request->bytes + field->offset, &place.address, field->size);
    return true;
}

static bool take_request(const char *s, struct request *request)
{
    uint64_t value;

    *request = (struct request){.at = buffer_place(BUFFER_ARG)};
    if (!take_op(&s, request)) {
        return false;
    }
    for (const struct field *field = request->op->fields; field->name; field++) {
        value = preset_value(field->preset);
        memcpy(request->bytes + field->offset, &value, field->size);
    }
    while (take_char(&s, ',')) {
        if (!take_key(&s, request)) {
            return false;
        }
    }
    return *s == '\0';
}

static long issue_at_cpl3(void *call)
{
    return hypercall_issue(call);
}

/* What the operation returned; in a multicall that is in the entry. */
static long issue(const struct request *request)
{
    struct hypercall call = {
        .number = request->op->hypercall,
        .args = {request->cmd | request->start << OP_BITS, request->at.address, request->op->count},
    };
    struct multicall_entry entry = {.op = call.number};
    long rc;

    if (request->multi) {
        memcpy(entry.args, call.args, sizeof(call.args));
        call = (struct hypercall){__HYPERVISOR_multicall, {(uintptr_t)&entry, 1}};
    }
    rc = request->cpl == 3 ? call_at_cpl3(issue_at_cpl3, &call) : hypercall_issue(&call);
    return request->multi && rc == 0 ? (long)entry.result : rc;
}

static void print_changes(const struct request *request, size_t size)
{
    for (const struct field *field = request->op->fields; field->name; field++) {
        uint64_t before = 0, after = 0;

        if (field->offset + field->size <= size) {
            memcpy(&before, request->bytes + field->offset, field->size);
            memcpy(&after, request->at.memory + field->offset, field->size);
        }
        if (after != before) {
            print(" %s=%#llx", field->name, (unsigned long long)after);
        }
    }
}

bool word_call(const char *args)
{
    struct request request;
    size_t size;
    long rc;

    if (!take_request(args, &request)) {
        return false;
    }
    size = request.op->size < request.at.room ? request.op->size : request.at.room;
    memcpy(request.at.memory, request.bytes, size);
    rc = issue(&request);
    print("call %s: rc %ld", args, rc);
    print_changes(&request, size);
    print("\n");
    return true;
}

bool word_hypercall(const char *args)
{
    struct hypercall call = {0};
    struct place place;
    uint64_t number;

    if (!take_number(&args, &number)) {
        return false;
    }
    for (unsigned i = 0; i < HYPERCALL_ARGS && take_char(&args, ','); i++) {
        if (!take_place(&args, &place)) {
            return false;
        }
        call.args[i] = place.address;
    }
    if (*args != '\0') {
        return false;
    }
    call.number = number;
    print("hypercall %lu: rc %ld\n", call.number, hypercall_issue(&call));
    return true;
}

bool word_via(const char *args)
{
    return hypercall_via(args);
}

void print_ops(void)
{
    for (const struct op *op = ops; op->name; op++) {
        print("  %s", op->name);
        for (const struct field *field = op->fields; field->name; field++) {
            print(" %s", field->name);
        }
        print("\n");
    }
}
