// SPDX-License-Identifier: GPL-2.0-only
/*
 * For scenarios/module-failnth.sh: no fault is injected into the functions named here, and what they
 * allocate does not count. They are for places where the kernel itself does not survive a failure.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

#define MAX_FUNCTIONS 8

static char *functions[MAX_FUNCTIONS];
static int count;
module_param_array(functions, charp, &count, 0444);
MODULE_PARM_DESC(functions, "names of functions");

static struct kretprobe probes[MAX_FUNCTIONS];

static int on_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	unsigned int *nth = (unsigned int *)instance->data;

	*nth = current->fail_nth;
	current->fail_nth = 0;
	return 0;
}
NOKPROBE_SYMBOL(on_entry);

static int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	current->fail_nth = *(unsigned int *)instance->data;
	return 0;
}
NOKPROBE_SYMBOL(on_return);

static void remove(int n)
{
	while (n--)
		unregister_kretprobe(&probes[n]);
}

static int __init spare_init(void)
{
	int i, err;

	for (i = 0; i < count; i++) {
		probes[i].kp.symbol_name = functions[i];
		probes[i].entry_handler = on_entry;
		probes[i].handler = on_return;
		probes[i].data_size = sizeof(unsigned int);
		err = register_kretprobe(&probes[i]);
		if (err) {
			pr_err("%s: %d\n", functions[i], err);
			remove(i);
			return err;
		}
	}
	return 0;
}
module_init(spare_init);

static void __exit spare_exit(void)
{
	remove(count);
}
module_exit(spare_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Keeps injected faults out of some functions");
