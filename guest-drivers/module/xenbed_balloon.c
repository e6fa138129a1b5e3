/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A balloon driver for Linux, as small as one can be that gets its errors right.
 *
 * /sys/kernel/xenbed_balloon/pages is how many pages it holds.  Writing a number
 * makes it give pages to Xen, or have some back, until it holds so many.  A write
 * that gets stuck halfway fails and leaves it there; reading says where that is.
 *
 * A page is given away by its frame number, which then is a hole.  The balloon keeps
 * the struct page, so that nobody else uses that; filling the hole puts other
 * memory in the same place.
 */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/sysfs.h>
#include <xen/page.h>
#include <xen/interface/memory.h>
#include <xen/xen.h>
#include <asm/xen/hypercall.h>

#define BATCH 512UL
#define RESERVE ((16UL << 20) / PAGE_SIZE) /* the guest is left so much to live on */
/* Zeroed, as Xen may give it to another domain as it is; and nothing is killed to have it. */
#define SPARE (GFP_HIGHUSER | __GFP_ZERO | __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN)

static DEFINE_MUTEX(lock); /* of the following */
static LIST_HEAD(balloon);
static unsigned long held; /* pages in it */
static xen_pfn_t frames[BATCH];

static void put_in(struct page *page)
{
    __SetPageOffline(page); /* so that a dump leaves it out */
    list_add(&page->lru, &balloon);
    held++;
}

static struct page *take_out(void)
{
    struct page *page = list_first_entry(&balloon, struct page, lru);

    list_del(&page->lru);
    __ClearPageOffline(page);
    held--;
    return page;
}

/* Give n pages to Xen, at most a batch, or have n back; returns how many it were, or an error. */
static long move(bool give, unsigned long n)
{
    struct xen_memory_reservation reservation = {.domid = DOMID_SELF};
    struct page *page;
    long got = 0, done = 0;

    while (got < n) {
        if (!give) {
            page = take_out();
        } else if (si_mem_available() < RESERVE || !(page = alloc_page(SPARE))) {
            break;
        }
        frames[got++] = page_to_pfn(page);
    }
    if (got > 0) {
        set_xen_guest_handle(reservation.extent_start, frames);
        reservation.nr_extents = got;
        done = HYPERVISOR_memory_op(give ? XENMEM_decrease_reservation : XENMEM_populate_physmap,
                                    &reservation);
    }
    /* What Xen did not take has memory still; what it did not fill is a hole still. */
    for (long i = 0; i < got; i++) {
        page = pfn_to_page(frames[i]);
        if ((i < done) == give) {
            put_in(page);
        } else {
            __free_page(page);
        }
    }
    return done;
}

/* Until the balloon holds so many. */
static int hold(unsigned long target)
{
    while (held != target) {
        bool give = held < target;
        long n = min(give ? target - held : held - target, BATCH), done;

        if (give && fatal_signal_pending(current)) {
            return -EINTR;
        }
        done = move(give, n);
        if (done != n) {
            return done < 0 ? done : -ENOMEM;
        }
        cond_resched();
    }
    return 0;
}

static ssize_t pages_show(struct kobject *kobject, struct kobj_attribute *attribute, char *text)
{
    return sysfs_emit(text, "%lu\n", READ_ONCE(held)); /* not locked: also during a long write */
}

static ssize_t pages_store(struct kobject *kobject, struct kobj_attribute *attribute,
                           const char *text, size_t length)
{
    unsigned long target;
    int error = kstrtoul(text, 0, &target);

    if (error) {
        return error;
    }
    mutex_lock(&lock);
    error = hold(target);
    mutex_unlock(&lock);
    return error ? error : length;
}

static struct kobj_attribute pages = __ATTR_RW(pages);
static struct kobject *folder;

static int __init start(void)
{
    int error;

    /* The frames of a PV guest have another number for Xen. */
    if (!xen_domain() || xen_pv_domain() || PAGE_SIZE != XEN_PAGE_SIZE) {
        return -ENODEV;
    }
    folder = kobject_create_and_add(KBUILD_MODNAME, kernel_kobj);
    if (!folder) {
        return -ENOMEM;
    }
    error = sysfs_create_file(folder, &pages.attr);
    if (error) {
        kobject_put(folder);
    }
    return error;
}

static void __exit end(void)
{
    int error;

    kobject_put(folder); /* from here on nobody writes */
    error = hold(0);
    if (error) {
        pr_err("error %d: %lu pages stay holes until the next boot\n", error, held);
    }
}

module_init(start);
module_exit(end);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Balloons on a write to /sys/kernel/" KBUILD_MODNAME "/pages");
