// A web service traced by the official X-Ray SDK for Go.
//
// It prints `listening on URL` once it serves, on a port of its own choice.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/aws/aws-xray-sdk-go/v2/awsplugins/ecs"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

func main() {
	ecs.Init()
	mux := http.NewServeMux()
	mux.HandleFunc("/", hello)
	mux.HandleFunc("/broken", broken)
	mux.HandleFunc("/many", many)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, xray.Handler(xray.NewFixedSegmentNamer("go-shop"), mux)))
}

func hello(response http.ResponseWriter, request *http.Request) {
	err := xray.Capture(request.Context(), "price", func(ctx context.Context) error {
		if err := xray.AddAnnotation(ctx, "currency", "EUR"); err != nil {
			return err
		}
		return xray.AddMetadata(ctx, "discount", map[string]any{"percent": 12.5})
	})
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(response, "ok")
}

func broken(response http.ResponseWriter, request *http.Request) {
	err := xray.Capture(request.Context(), "price", func(context.Context) error {
		return errors.New("the shelf fell down")
	})
	http.Error(response, err.Error(), http.StatusInternalServerError)
}

// many has more subsegments than the SDK keeps in one document, so it streams them.
func many(response http.ResponseWriter, request *http.Request) {
	for number := range 45 {
		_, step := xray.BeginSubsegment(request.Context(), fmt.Sprintf("step-%d", number))
		step.Close(nil)
	}
	fmt.Fprint(response, "ok")
}
