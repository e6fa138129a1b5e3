/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library against a model: random steps of a guest and its toolstack, each done to both,
 * and everything compared that can be seen from outside.
 *
 * The steps of an episode begin with a new world and depend on its seed alone.  They are
 * done in a child, so that a step that fails an assertion or does not return can be left
 * out, and the rest tried again, until nothing more can be.
 *
 * XENBED_TEST_SEED and XENBED_TEST_STEPS repeat or prolong a run.  A seed that is printed
 * for a failure is that of its episode: with it, the first episode fails.
 */
#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domain.h"
#include "generate.h"

#define DEFAULT_SEED 20
#define DEFAULT_STEPS 2500000
#define EPISODE_STEPS 300
/* Steps between two comparisons of all gfns. */
#define COMPARE_EVERY 64
/* No episode takes as long: a step does not return. */
#define TIMEOUT_SECONDS 5

/* What the child has done, for its parent to see. */
struct record {
    uint64_t seed; /* of the episode under way */
    uint64_t done; /* steps, of all episodes */
    struct opening opening;
    unsigned nr;
    struct step steps[EPISODE_STEPS];
};

static struct record *record;

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

/* --- Comparing -------------------------------------------------------------------------- */

/* A number that both have. */
static void same(const char *what, uint64_t model, uint64_t real)
{
    if (model != real) {
        fail_msg("%s: the model has %#" PRIx64 " (%" PRId64 "), the library %#" PRIx64 " (%" PRId64
                 ")",
                 what, model, (int64_t)model, real, (int64_t)real);
    }
}

static void compare_outcomes(const struct outcome *model, const struct outcome *real)
{
    char what[32];

    same("result", (uint64_t)model->rc, (uint64_t)real->rc);
    same("list changed", model->list_changed, real->list_changed);
    for (unsigned i = 0; i < STEP_BATCH; i++) {
        if (model->errs[i] != real->errs[i]) {
            snprintf(what, sizeof(what), "errs[%u]", i);
            same(what, (uint64_t)model->errs[i], (uint64_t)real->errs[i]);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        if (model->numbers[i] != real->numbers[i]) {
            snprintf(what, sizeof(what), "number %u of the structure", i);
            same(what, model->numbers[i], real->numbers[i]);
        }
    }
}

static uint64_t real_max_gfn(struct world *w)
{
    memset(w->page, 0, sizeof(w->page));
    world_put(w, ARG, STEP_GUEST, 2);
    return (uint64_t)call_memory_op(w->control, false, OP_MAXIMUM_GPFN, ARG);
}

static void compare_counters(const struct model *m, struct world *w)
{
    same("tot_pages", m->tot_pages, hcall_domain_tot_pages(w->d));
    same("max_pages", m->max_pages, hcall_domain_max_pages(w->d));
    same("the domain's claim", m->claim, hcall_domain_outstanding_pages(w->d));
    same("domain 0's claim", m->control_claim, hcall_domain_outstanding_pages(w->control));
    same("the host's free pages", m->free_pages, hcall_host_free_pages(w->host));
    same("the host's claims", m->claims, hcall_host_outstanding_claims(w->host));
    same("grant frames", m->grant_frames, hcall_domain_grant_frames(w->d));
    same("crashed", m->crashed, hcall_domain_crashed(w->d));
    same("crashes", m->crashes, w->crashes);
    same("log lines", m->logs, w->logs);
    same("highest gfn", m->max_gfn, real_max_gfn(w));
    same("superpages in the cache", m->pod.super, w->d->pod.super);
    same("single pages in the cache", m->pod.single, w->d->pod.single);
    same("the cache", 512 * m->pod.super + m->pod.single, hcall_domain_pod_cache(w->d));
    same("PoD entries", m->entries, hcall_domain_pod_entries(w->d));
    same("highest gfn touched", m->pod.max_guest, w->d->pod.max_guest);
    same("where the next sweep begins", m->pod.reclaim_single, w->d->pod.reclaim_single);
    for (unsigned i = 0; i < MODEL_SPECIALS; i++) {
        same("gfn of a page of the hypervisor's", m->special[i], hcall_domain_special(w->d, i));
        same("where it appears", m->special[i], w->special[i]);
    }
}

/* The populations that are remembered. */
static void compare_ring(const struct model *m, const struct world *w)
{
    const struct pod *pod = &w->d->pod;

    same("index of the ring", m->pod.next, pod->mrp_next);
    for (unsigned i = 0; i < MODEL_MRP; i++) {
        same("gfn in the ring", m->pod.mrp[i].gfn, pod->mrp[i].gfn);
        if (pod->mrp[i].gfn != HCALL_NO_GFN) {
            same("order in the ring", m->pod.mrp[i].order, pod->mrp[i].order);
        }
    }
}

/* The lines that the model knows. */
static void compare_log(const struct model *m, const struct world *w)
{
    for (unsigned i = 0; i < 3; i++) {
        if (m->line[i][0] != '\0' && strcmp(m->line[i], w->line[i]) != 0) {
            fail_msg("the log: the model has \"%s\", the library \"%s\"", m->line[i], w->line[i]);
        }
    }
}

static void compare_gfn(const struct model *m, const struct world *w, gfn_t gfn)
{
    const struct model_gfn *g = model_at(m, gfn);
    enum hcall_p2m_type want = model_type(m, gfn);
    unsigned order;
    enum hcall_p2m_type got = hcall_domain_p2m(w->d, gfn, &order);
    bool backed = want == HCALL_P2M_RAM || want == HCALL_P2M_OWN_GRANT;
    const struct world_gfn *page;

    if (want != got) {
        fail_msg("gfn %#" PRIx64 ": the model has %s, the library %s", gfn, step_type_name(want),
                 step_type_name(got));
    }
    if (g && want != HCALL_P2M_HOLE &&
        order != (g->order < HCALL_MAX_ORDER ? g->order : HCALL_MAX_ORDER)) {
        fail_msg("gfn %#" PRIx64 ": %s, in a leaf of order %u for the model, %u for the library",
                 gfn, step_type_name(want), g->order, order);
    }
    if (!model_followed(gfn)) {
        return;
    }
    page = &w->gfn[world_slot(gfn)];
    if (page->backed != backed) {
        fail_msg("gfn %#" PRIx64 ": %s, and has%s a page", gfn, step_type_name(want),
                 backed ? " not" : "");
    }
    if (backed && page->stamp != g->stamp) {
        fail_msg("gfn %#" PRIx64 ": the model has the page of step %u, the world of %u", gfn,
                 g->stamp, page->stamp);
    }
    if (backed && page->nonzero != g->nonzero) {
        fail_msg("gfn %#" PRIx64 ": the page is%s zero", gfn, page->nonzero ? " not" : "");
    }
}

static void assert_right(const char *whose, const char *wrong)
{
    if (wrong) {
        fail_msg("%s: %s", whose, wrong);
    }
}

static void compare_all(const struct model *m, const struct world *w)
{
    world_check(w);
    assert_right("the model", model_check_all(m));
    for (unsigned i = 0; i < MODEL_GFNS; i++) {
        compare_gfn(m, w, model_gfn_of(i));
    }
}

/* The gfns that the step names. */
static void compare_named(const struct model *m, const struct world *w, const struct step *s)
{
    const unsigned most = 8;

    compare_gfn(m, w, s->idx);
    compare_gfn(m, w, s->gpfn);
    for (unsigned i = 0; i < most && (i < s->size || (s->in.list != 0 && i < s->in.nr)); i++) {
        compare_gfn(m, w, s->list[i]);
    }
}

/* --- Doing ------------------------------------------------------------------------------ */

/* The numbers before a step. */
struct numbers {
    pages_t tot_pages, entries, cache;
};

static struct numbers numbers_of(const struct world *w)
{
    return (struct numbers){
        .tot_pages = hcall_domain_tot_pages(w->d),
        .entries = hcall_domain_pod_entries(w->d),
        .cache = hcall_domain_pod_cache(w->d),
    };
}

/*
 * A touch moves pages between gfns and cache, so it changes neither what the domain owns nor how
 * many pages are missing.
 */
static void assert_kept(const struct numbers *before, const struct world *w, const struct step *s)
{
    const struct numbers now = numbers_of(w);

    if (s->op == TOOL_TOUCH) {
        same("tot_pages, after as before", before->tot_pages, now.tot_pages);
        same("entries - cache, after as before", before->entries - before->cache,
             now.entries - now.cache);
    }
}

/*
 * How large the leaves of holes are is the library's to say: it gives a whole leaf away at once,
 * for which Xen would have split it.  It is only seen when they cannot be split any more.
 */
static void note_holes(struct model *m, const struct world *w)
{
    for (unsigned i = 0; i < MODEL_GFNS; i++) {
        struct model_gfn *g = &m->gfn[i];
        unsigned order;

        if (hcall_domain_p2m(w->d, model_gfn_of(i), &order) == HCALL_P2M_HOLE &&
            order < HCALL_MAX_ORDER) {
            g->order = order;
        }
    }
}

static void do_step(struct model *m, struct world *w, const struct step *s)
{
    const struct numbers before = numbers_of(w);
    struct outcome want, got;

    if (s->op == TOOL_SET_DYING && !m->dying) {
        note_holes(m, w);
    }
    w->now = ++m->now;
    model_do(m, s, &want);
    step_do(w, s, &got);
    compare_outcomes(&want, &got);
    compare_counters(m, w);
    compare_ring(m, w);
    compare_log(m, w);
    compare_named(m, w, s);
    assert_right("the model", model_check(m));
    assert_kept(&before, w, s);
}

static void open_both(struct model *m, struct world *w)
{
    const struct opening *o = &record->opening;

    world_open(w, o->max_pages, o->pool, o->version);
    model_open(m, o->max_pages, o->pool, o->version);
}

/* Make up an episode and do it. */
static void do_episode(struct model *m, struct world *w)
{
    alarm(TIMEOUT_SECONDS);
    generate_seed(record->seed);
    generate_opening(&record->opening);
    open_both(m, w);
    for (record->nr = 0; record->nr < EPISODE_STEPS;) {
        struct step *s = &record->steps[record->nr];

        generate_step(m, s);
        if (!model_skips(m, s)) {
            record->nr++;
            do_step(m, w, s);
        }
        if (record->nr % COMPARE_EVERY == 0) {
            compare_all(m, w);
        }
    }
    compare_all(m, w);
    world_close(w);
    record->done += record->nr;
}

static void do_episodes(uint64_t steps)
{
    static struct model m;
    static struct world w;

    while (record->done < steps) {
        do_episode(&m, &w);
        record->seed++;
    }
}

/* Do again what is written down, with all of it compared after each step. */
static void steps_do_what_the_model_does(void **state)
{
    static struct model m;
    static struct world w;

    (void)state;
    alarm(TIMEOUT_SECONDS);
    open_both(&m, &w);
    for (unsigned i = 0; i < record->nr; i++) {
        if (!model_skips(&m, &record->steps[i])) {
            do_step(&m, &w, &record->steps[i]);
            compare_all(&m, &w);
        }
    }
    world_close(&w);
}

/* --- Shrinking -------------------------------------------------------------------------- */

static bool child_succeeds(pid_t child)
{
    int status;

    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Without a word: an assertion that fails outside of cmocka's runner ends the process. */
static bool record_fails(void)
{
    pid_t child = fork();

    if (child == 0) {
        close(STDERR_FILENO);
        steps_do_what_the_model_does(NULL);
        _exit(0);
    }
    return !child_succeeds(child);
}

/* Leave out so many steps from this one on, if it fails without. */
static bool leave_out(unsigned from, unsigned count)
{
    static struct step kept[EPISODE_STEPS];
    unsigned nr = record->nr;
    size_t behind = nr - from - count;

    memcpy(kept, &record->steps[from], (nr - from) * sizeof(kept[0]));
    memmove(&record->steps[from], &record->steps[from + count], behind * sizeof(kept[0]));
    record->nr -= count;
    if (record_fails()) {
        return true;
    }
    memcpy(&record->steps[from], kept, (nr - from) * sizeof(kept[0]));
    record->nr = nr;
    return false;
}

/* From the end on, as what comes last is seldom what is left out. */
static bool leave_out_any(unsigned count)
{
    bool any = false;

    for (unsigned from = record->nr; from > 0;) {
        unsigned part = count < from ? count : from;

        from -= part;
        any = leave_out(from, part) || any;
    }
    return any;
}

/* A step with less in it is easier to read. */
static void simpler(struct step *s, unsigned way)
{
    switch (way) {
    case 0:
        s->in.nr /= 2;
        break;
    case 1:
        s->in.nr -= s->in.nr > 0;
        break;
    case 2:
        s->size -= s->size > 0;
        break;
    case 3:
        s->count /= 2;
        break;
    case 4:
        s->in.order -= s->in.order > 0;
        break;
    case 5:
        s->start = 0;
        break;
    case 6:
        s->preempt = false;
        break;
    case 7:
        s->in.flags = 0;
        break;
    case 8:
        s->fault = FAULT_NONE;
        s->read_only = false;
        s->arg_read_only = false;
        break;
    case 9:
        s->count -= s->count > 0;
        break;
    case 10:
        s->write = false;
        break;
    case 11:
        s->in.order = 0;
        break;
    default:
        break;
    }
}
#define WAYS 12

static void simplify(unsigned i)
{
    static struct step kept;
    struct step *s = &record->steps[i];

    for (unsigned way = 0; way < WAYS;) {
        kept = *s;
        simpler(s, way);
        if (memcmp(&kept, s, sizeof(kept)) == 0) {
            way++;
        } else if (!record_fails()) {
            *s = kept;
            way++;
        }
    }
}

/* Halves, quarters and so on to single steps, as long as one can be left out. */
static void shrink(void)
{
    for (unsigned count = record->nr / 2; count > 0; count /= 2) {
        leave_out_any(count);
    }
    while (leave_out_any(1)) {
    }
    for (unsigned i = 0; i < record->nr; i++) {
        simplify(i);
    }
}

static void report(void)
{
    const struct opening *o = &record->opening;

    fprintf(stderr, "\nXENBED_TEST_SEED=%" PRIu64 " fails after %u steps; shrinking ...\n",
            record->seed, record->nr);
    if (!record_fails()) {
        fprintf(stderr, "It does not fail again: it depends on more than its steps.\n");
    } else {
        shrink();
    }
    fprintf(stderr, "max_pages %" PRIu64 ", pool %" PRIu64 ", version %#x\n", o->max_pages,
            o->pool ? o->pool : WORLD_POOL, o->version);
    for (unsigned i = 0; i < record->nr; i++) {
        fprintf(stderr, "%3u. ", i + 1);
        step_print(&record->steps[i]);
    }
}

/* Random steps, all in a child. */
static bool find_failure(uint64_t steps)
{
    pid_t child = fork();

    if (child == 0) {
        do_episodes(steps);
        _exit(0);
    }
    return !child_succeeds(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_do_what_the_model_does),
    };
    uint64_t steps = number_from("XENBED_TEST_STEPS", DEFAULT_STEPS);

    record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (record == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    record->seed = number_from("XENBED_TEST_SEED", DEFAULT_SEED);
    printf("XENBED_TEST_SEED=%" PRIu64 " XENBED_TEST_STEPS=%" PRIu64 "\n", record->seed, steps);
    fflush(NULL);
    if (!find_failure(steps)) {
        printf("%" PRIu64 " steps did what the model does\n", record->done);
        return 0;
    }
    report();
    /* Once more, for cmocka to say what is wrong. */
    cmocka_run_group_tests(tests, NULL, NULL);
    return 1;
}
