/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest uses memory for beside ballooning.  Each page that is in use holds its own number
 * and that of the one before it, and has to hold them still when it is given up.
 */
#include "work.h"
#include "cpu.h"
#include "pages.h"
#include "print.h"
#include "upcall.h"

#define MIB_PAGES 256
#define BIT MIB_PAGES
#define DELAY (SECOND / 100)

struct page {
    unsigned long gfn, before;
};

static unsigned long last;
static unsigned left;

static bool use(unsigned n, unsigned long *newest)
{
    for (; n; n--) {
        unsigned long gfn = page_alloc();

        if (gfn == 0) {
            return false;
        }
        *(struct page *)page_address(gfn) = (struct page){gfn, *newest};
        *newest = gfn;
    }
    return true;
}

bool work_hold(unsigned mib)
{
    unsigned long newest = 0;

    return use(mib * MIB_PAGES, &newest);
}

static unsigned stop(void)
{
    unsigned bad = 0;

    while (last) {
        struct page *page = page_address(last);
        unsigned long gfn = last;

        bad += page->gfn != gfn;
        last = page->gfn == gfn ? page->before : 0;
        page_free(gfn);
    }
    return bad;
}

void work_start(unsigned mib)
{
    left = mib * MIB_PAGES;
}

uint64_t work_step(void)
{
    bool enough;

    if (left == 0) {
        return UINT64_MAX;
    }
    enough = use(left < BIT ? left : BIT, &last);
    left = enough && left > BIT ? left - BIT : 0;
    if (left == 0) {
        unsigned bad = stop();

        print("work: %s, %u bad pages\n", enough ? "done" : "out of memory", bad);
        return UINT64_MAX;
    }
    return DELAY;
}
