Console.Error.WriteLine("Mesh.Shop: not built yet");
return 1;
