// Package image makes container images of files that lie on this machine, so
// that none has to be pulled. It must not read a registry.
package image

import (
	"compress/gzip"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is a name such as redis:7.0 and what its containers see and run.
type Image struct {
	Name  string
	Root  string            // a directory that becomes the root; "" for none
	Files map[string]string // further files: their path in the image, and on this machine
	Links map[string]string // links: their path in the image, and what they name
	Run   []string          // what a container runs unless it is told otherwise
	User  string            // whom it runs it as; "" for root
}

// Pack writes the image as an archive that `ctr images import` reads, under
// the full name that the kubelet asks for.
func (i Image) Pack(path string) error {
	tag, err := fullName(i.Name)
	if err != nil {
		return fmt.Errorf("pack image %s: %w", i.Name, err)
	}
	layer := path + ".layer"
	defer os.Remove(layer)
	img, err := i.build(layer)
	if err != nil {
		return fmt.Errorf("pack image %s: %w", i.Name, err)
	}
	if err := tarball.WriteToFile(path, tag, img); err != nil {
		return fmt.Errorf("pack image %s: %w", i.Name, err)
	}
	return nil
}

// fullName is the name with its registry, docker.io where it has none: the
// archive carries names as they were spelled, and the kubelet asks for these.
func fullName(short string) (name.Tag, error) {
	tag, err := name.NewTag(short)
	if err != nil || tag.RegistryStr() != name.DefaultRegistry {
		return tag, err
	}
	return name.NewTag("docker.io/" + tag.RepositoryStr() + ":" + tag.TagStr())
}

// build writes the image's one layer into the file and describes the image.
func (i Image) build(file string) (v1.Image, error) {
	if err := i.writeLayerFile(file); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromFile(file, tarball.WithCompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.OS, config.Architecture = "linux", architecture
	config.Config = v1.Config{
		Cmd: i.Run, User: i.User, WorkingDir: "/data",
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
	}
	return mutate.ConfigFile(img, config)
}
