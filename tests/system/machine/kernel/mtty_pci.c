/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The end of mttypci.c: parents that are PCI functions.
 *
 * tests/system/machine/modules.py takes the kernel's samples/vfio-mdev/mtty.c
 * up to where it registers its one virtual parent, and puts this in place of
 * the rest. Each QEMU "edu" function becomes a parent with a pool of serial
 * ports of its own: the shape of a host with several graphics cards.
 */

static int ports = MAX_MTTYS;
module_param(ports, int, 0444);
MODULE_PARM_DESC(ports, "serial ports of each parent");

struct mtty_card {
	struct mdev_parent parent;
	atomic_t free_ports;
	struct mtty_type types[ARRAY_SIZE(mtty_types)];
	struct mdev_type *type_list[ARRAY_SIZE(mtty_types)];
};

static atomic_t *pool_of(struct mdev_type *type)
{
	struct mtty_card *card =
		container_of(type->parent, struct mtty_card, parent);

	return &card->free_ports;
}

/*
 * No sample driver has an attribute that an mdev is set up with. These are those
 * of vfio-ap: each write assigns one more, what is out of range, or assigned
 * already, is refused, and "matrix" tells what is assigned, in order.
 */
#define MATRIX_MAX 16

struct mtty_matrix {
	int used;
	struct {
		const char *kind;
		unsigned long id;
	} assigned[MATRIX_MAX];
};

static void mtty_matrix_release(struct device *dev, void *res)
{
}

static struct mtty_matrix *matrix_of(struct device *dev)
{
	struct mtty_matrix *matrix =
		devres_find(dev, mtty_matrix_release, NULL, NULL);

	if (!matrix) {
		matrix = devres_alloc(mtty_matrix_release, sizeof(*matrix),
				      GFP_KERNEL);
		if (matrix)
			devres_add(dev, matrix);
	}
	return matrix;
}

static ssize_t assign(struct device *dev, const char *kind, const char *buf,
		      size_t count)
{
	struct mtty_matrix *matrix = matrix_of(dev);
	unsigned long id;
	int i;

	if (!matrix)
		return -ENOMEM;
	if (kstrtoul(buf, 0, &id))
		return -EINVAL;
	if (id > 255)
		return -ENODEV;
	for (i = 0; i < matrix->used; i++)
		if (matrix->assigned[i].kind == kind &&
		    matrix->assigned[i].id == id)
			return -EADDRINUSE;
	if (matrix->used == MATRIX_MAX)
		return -ENOSPC;
	matrix->assigned[matrix->used].kind = kind;
	matrix->assigned[matrix->used].id = id;
	matrix->used++;
	return count;
}

static const char adapter[] = "adapter", domain[] = "domain";

static ssize_t assign_adapter_store(struct device *dev,
				    struct device_attribute *attr,
				    const char *buf, size_t count)
{
	return assign(dev, adapter, buf, count);
}
static DEVICE_ATTR_WO(assign_adapter);

static ssize_t assign_domain_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	return assign(dev, domain, buf, count);
}
static DEVICE_ATTR_WO(assign_domain);

static ssize_t matrix_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct mtty_matrix *matrix = matrix_of(dev);
	int i, length = 0;

	for (i = 0; matrix && i < matrix->used; i++)
		length += sysfs_emit_at(buf, length, "%s %lu\n",
					matrix->assigned[i].kind,
					matrix->assigned[i].id);
	return length;
}
static DEVICE_ATTR_RO(matrix);

static struct attribute *mtty_matrix_attrs[] = {
	&dev_attr_assign_adapter.attr,
	&dev_attr_assign_domain.attr,
	&dev_attr_matrix.attr,
	NULL,
};

static const struct attribute_group mtty_matrix_group = {
	.attrs = mtty_matrix_attrs,
};

static const struct attribute_group *mtty_card_groups[] = {
	&mdev_dev_group,	/* mtty's own */
	&mtty_matrix_group,
	NULL,
};

static int mtty_card_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct mtty_card *card;
	int i;

	card = devm_kzalloc(&pdev->dev, sizeof(*card), GFP_KERNEL);
	if (!card)
		return -ENOMEM;

	atomic_set(&card->free_ports, ports);
	/* The kernel writes the parent into a type: each card has its own. */
	for (i = 0; i < ARRAY_SIZE(mtty_types); i++) {
		card->types[i] = mtty_types[i];
		card->type_list[i] = &card->types[i].type;
	}
	pci_set_drvdata(pdev, card);

	return mdev_register_parent(&card->parent, &pdev->dev, &mtty_driver,
				    card->type_list,
				    ARRAY_SIZE(card->type_list));
}

static void mtty_card_remove(struct pci_dev *pdev)
{
	struct mtty_card *card = pci_get_drvdata(pdev);

	mdev_unregister_parent(&card->parent);
}

static const struct pci_device_id mtty_card_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },		/* QEMU's "edu" */
	{ }
};
MODULE_DEVICE_TABLE(pci, mtty_card_ids);

static struct pci_driver mtty_card_driver = {
	.name = "mttypci",			/* the types' ids begin with it */
	.id_table = mtty_card_ids,
	.probe = mtty_card_probe,
	.remove = mtty_card_remove,
};

static int __init mtty_card_init(void)
{
	int ret;

	mtty_driver.driver.dev_groups = mtty_card_groups;
	ret = mdev_register_driver(&mtty_driver);
	if (ret)
		return ret;

	ret = pci_register_driver(&mtty_card_driver);
	if (ret)
		mdev_unregister_driver(&mtty_driver);
	return ret;
}

static void __exit mtty_card_exit(void)
{
	pci_unregister_driver(&mtty_card_driver);
	mdev_unregister_driver(&mtty_driver);
}

module_init(mtty_card_init)
module_exit(mtty_card_exit)

MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("mtty with PCI functions as parents");
